import { measureRoutes, type PodRoute } from "../lib/podRoutes";
import { kubectl, named } from "./api";
import { no, notApplicable, yes, type Finding, type LinkCheck, type LinkContext } from "./check";
import { execute } from "./curl";
import { noDirectTraffic } from "./directExports";
import { noTraffic } from "./simulated";

/** Includes pulling an image and starting a pod on each node. */
const deadlineSeconds = 150;

const shown = ({ from, to, pods }: PodRoute): string => `from node ${from} to node ${to} (pods ${pods.join(", ")})`;

const podRoutes: LinkCheck = {
  id: "traffic.pod-routes",
  group: "traffic",
  scope: "link",
  title: "Do pods on every node of the source reach pods on every node of the target?",
  deadlineSeconds,
  applies: noDirectTraffic,
  async run({ source, target, link, stack, testNamespaces, deadline }): Promise<Finding> {
    const { namespace } = await testNamespaces.of(link, deadline);
    const { answered, missing, unasked, silent } = await measureRoutes(source.core, target.core, namespace, deadline);
    const objects = [...new Set([...answered, ...missing].flatMap(({ from, to }) => [`${source.name} node ${from}`, `${target.name} node ${to}`]))]; // prettier-ignore
    if (missing.length > 0) {
      const routes = missing.map(shown);
      const more = routes.length > 3 ? `, and ${routes.length - 3} more` : "";
      const next =
        stack.runtime === "k3d"
          ? kubectl(source, "-n kube-system logs daemonset/mesh-pod-routes")
          : "give your network these routes (docs/modes.md), then npm run verify";
      return no(`no way ${routes.slice(0, 3).join(", ")}${more}`, objects, next);
    }
    if (unasked.length > 0) throw new Error(unasked.join("; "));
    if (answered.length === 0) return notApplicable(silent.join("; "), objects);
    return yes(`all ${answered.length} ways between nodes lead to a pod`, objects, silent.join("; ") || undefined);
  },
};

/** Linkerd's controllers in the source ask the target's API server. A request from this machine would prove nothing. */
const apiServer: LinkCheck = {
  id: "traffic.api-server",
  group: "traffic",
  scope: "link",
  title: "Do the source's pods reach the target's API server?",
  deadlineSeconds,
  applies: noTraffic,
  async run(context: LinkContext): Promise<Finding> {
    const { source, target, deadline, testNamespaces, link } = context;
    // health.credentials-secrets compares it with the Secrets.
    const server = target.apiServer;
    const testNamespace = await testNamespaces.of(link, deadline);
    const pod = await testNamespace.curlPod(deadline);
    const retry = ["--retry", "5", "--retry-all-errors", "--retry-delay", "1", "--max-time", "10"];
    const command = ["curl", "-sSk", ...retry, `${server}/readyz`];
    const { text } = await execute(source, testNamespace.namespace, pod, command, deadline);
    const objects = [named(source, "pod", { metadata: { namespace: testNamespace.namespace, name: pod } })];
    // It refuses anonymous requests with a Status. A proxy on the way would answer in another form.
    if (/^ok$/m.test(text) || /"kind": ?"Status"/.test(text)) return yes(`${server} answered`, objects);
    const lastWords = text.trim().split("\n").at(-1) ?? "";
    return no(`${server} does not answer a pod of ${source.name}: ${lastWords}`, objects, kubectl(target, "get nodes"));
  },
};

export const reachabilityChecks: LinkCheck[] = [podRoutes, apiServer];
