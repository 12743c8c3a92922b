import { setTimeout as sleep } from "node:timers/promises";
import { extension, kubectl, named, type ClusterClient } from "./api";
import { no, yes, type Finding, type LinkCheck, type LinkContext } from "./check";
import { execute } from "./curl";
import { noDirectTraffic } from "./directExports";
import { exportLabel, mirrorName } from "./mirroredServices";
import { noTraffic } from "./simulated";
import type { TestNamespace } from "./testNamespaces";
import type { Deadline } from "./watch";

/** Includes pulling images and starting meshed pods. */
const deadlineSeconds = 120;

/** How one mode is tested: which clients ask, and whom the policy admits. */
interface Mode {
  id: string;
  title: string;
  applies: LinkCheck["applies"];
  /** Value of the label that exports the service. */
  exported: string;
  /** Name of the server, its service and its policy. */
  name: string;
  yes: string;
  /**
   * In turn: the identity that the policy admits, and the status that each client's request gets. The first round refuses,
   * because everybody is admitted until the proxies have heard of the policy.
   */
  rounds(context: LinkContext, namespace: string): { admits: string; expected: Record<string, string> }[];
}

const account = (name: string, namespace: string, { domain }: ClusterClient): string =>
  `${name}.${namespace}.serviceaccount.identity.linkerd.${domain}`;

const modes: Mode[] = [
  {
    id: "traffic.policy-gateway",
    title: "Does a policy of the target admit and refuse the gateway?",
    applies: noTraffic,
    exported: "true",
    name: "guarded",
    yes: "the server refused the gateway while the policy named another identity, and then admitted it",
    // A server sees the gateway's identity, whoever the client is.
    rounds: ({ target }, namespace) => [
      { admits: account("nobody", namespace, target), expected: { default: "403" } },
      { admits: account("linkerd-gateway", extension, target), expected: { default: "200" } },
    ],
  },
  {
    id: "traffic.policy-flat",
    title: "Does a policy of the target admit one client of the source, and refuse another?",
    applies: noDirectTraffic,
    exported: "remote-discovery",
    name: "guarded-flat",
    yes: "the server admitted one client by its own identity, and refused the other",
    rounds: ({ source }, namespace) => [
      { admits: account("nobody", namespace, source), expected: { default: "403", other: "403" } },
      { admits: account("default", namespace, source), expected: { default: "200", other: "403" } },
    ],
  },
];

/** Asks until each client gets the expected status, because proxies hear of a new policy a moment later. */
async function unexpected(
  testNamespace: TestNamespace,
  pods: Record<string, string>,
  host: string,
  expected: Record<string, string>,
  deadline: Deadline,
): Promise<string | undefined> {
  const { source, namespace } = testNamespace;
  for (;;) {
    const statuses = await Promise.all(
      Object.entries(expected).map(async ([client, status]) => {
        const command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", `http://${host}`];
        const { text } = await execute(source, namespace, pods[client] ?? "", command, deadline);
        return text.trim() === status ? undefined : `client ${client} got HTTP ${text.trim()} in place of ${status}`;
      }),
    );
    const wrong = statuses.filter((one) => one !== undefined);
    if (wrong.length === 0) return undefined;
    if (deadline.leftMs() <= 0) return wrong.join("; ");
    await sleep(500);
  }
}

async function policyFault(
  mode: Mode,
  context: LinkContext,
  testNamespace: TestNamespace,
): Promise<string | undefined> {
  const { source, target, deadline } = context;
  const { namespace } = testNamespace;
  const { name } = mode;
  const rounds = mode.rounds(context, namespace);
  const clients = [...new Set(rounds.flatMap(({ expected }) => Object.keys(expected)))];
  const [pods] = await Promise.all([
    Promise.all(clients.map(async (client) => [client, await testNamespace.curlPod(deadline, client)] as const)),
    testNamespace.webServer(target, name, deadline),
    testNamespace.serve(target, name, name, { [exportLabel]: mode.exported }),
  ]);
  const mirror = mirrorName(name, target.name);
  const unmirrored = await testNamespace.mirror(mirror, deadline);
  if (unmirrored) return unmirrored;
  const host = `${mirror}.${namespace}.svc.${source.domain}`;
  await guard(target, namespace, name);
  for (const { admits, expected } of rounds) {
    await admit(target, namespace, name, admits);
    const fault = await unexpected(testNamespace, Object.fromEntries(pods), host, expected, deadline);
    if (fault) return `with a policy that admits ${admits}, ${fault}`;
  }
  return undefined;
}

const group = "policy.linkerd.io";

/** A Server for the pod's port, which refuses everybody whom no policy admits. https://linkerd.io/2/reference/authorization-policy/ */
async function guard({ custom }: ClusterClient, namespace: string, name: string): Promise<void> {
  const metadata = { name };
  await custom.createNamespacedCustomObject({
    ...{ group, version: "v1beta3", namespace, plural: "servers" },
    body: {
      ...{ apiVersion: `${group}/v1beta3`, kind: "Server", metadata },
      spec: { podSelector: { matchLabels: { app: name } }, port: 80, proxyProtocol: "HTTP/1" },
    },
  });
  await custom.createNamespacedCustomObject({
    ...{ group, version: "v1alpha1", namespace, plural: "authorizationpolicies" },
    body: {
      ...{ apiVersion: `${group}/v1alpha1`, kind: "AuthorizationPolicy", metadata },
      spec: {
        targetRef: { group, kind: "Server", name },
        requiredAuthenticationRefs: [{ group, kind: "MeshTLSAuthentication", name }],
      },
    },
  });
}

/** Names the one identity that the policy admits. */
async function admit({ custom }: ClusterClient, namespace: string, name: string, identity: string): Promise<void> {
  const place = { group, version: "v1alpha1", namespace, plural: "meshtlsauthentications" };
  const made = (await custom.listNamespacedCustomObject(place)) as { items: { metadata: { name: string } }[] };
  const body = {
    ...{ apiVersion: `${group}/v1alpha1`, kind: "MeshTLSAuthentication", metadata: { name } },
    spec: { identities: [identity] },
  };
  if (!made.items.some(({ metadata }) => metadata.name === name)) {
    await custom.createNamespacedCustomObject({ ...place, body });
    return;
  }
  const change = [{ op: "replace", path: "/spec/identities", value: [identity] }];
  await custom.patchNamespacedCustomObject({ ...place, name, body: change });
}

export const policyChecks: LinkCheck[] = modes.map((mode) => ({
  id: mode.id,
  group: "traffic",
  scope: "link",
  title: mode.title,
  deadlineSeconds,
  applies: mode.applies,
  async run(context): Promise<Finding> {
    const testNamespace = await context.testNamespaces.of(context.link, context.deadline);
    const { namespace } = testNamespace;
    const fault = await policyFault(mode, context, testNamespace);
    const objects = ["pod", "server.policy.linkerd.io"].map((kind) =>
      named(context.target, kind, { metadata: { namespace, name: mode.name } }),
    );
    if (!fault) return yes(mode.yes, objects);
    return no(fault, objects, kubectl(context.target, "-n linkerd logs deploy/linkerd-destination -c policy"));
  },
}));
