import * as fs from "node:fs/promises";
import * as https from "node:https";
import { ownKubeconfig } from "./places";

/** Whether the API server answers and has all that it needs. https://kubernetes.io/docs/reference/using-api/health-checks */
export async function isReady(cluster: string): Promise<boolean> {
  const get = await asAdmin(cluster);
  return (await get("/readyz")).status === 200;
}

/**
 * Whether every custom resource can be asked for. A server that was started anew is ready before that, and answers 429
 * ("storage is (re)initializing") for some seconds, which would fail an update.
 */
export async function servesCustomResources(cluster: string): Promise<boolean> {
  const get = await asAdmin(cluster);
  const { status, text } = await get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
  if (status !== 200) return false;
  const { items } = JSON.parse(text) as { items: Definition[] };
  const statuses = items.map(async ({ spec: { group, versions, names } }) => {
    const version = versions.find(({ served }) => served)?.name ?? "";
    return (await get(`/apis/${group}/${version}/${names.plural}?limit=1`)).status;
  });
  return (await Promise.all(statuses)).every((one) => one === 200);
}

/** What is used here of a CustomResourceDefinition. */
interface Definition {
  spec: { group: string; versions: { name: string; served: boolean }[]; names: { plural: string } };
}

/** What of a cluster's own kubeconfig is needed to ask it. */
interface OwnKubeconfig {
  clusters: { cluster: { server: string; "certificate-authority-data"?: string } }[];
  users: { user: { "client-certificate-data"?: string; "client-key-data"?: string } }[];
}

type Get = (path: string) => Promise<{ status: number; text: string }>;

/** Asks a cluster of this machine as its admin. Status 0 where nothing answers within ten seconds. */
async function asAdmin(name: string): Promise<Get> {
  const { clusters, users } = JSON.parse(await fs.readFile(ownKubeconfig(name), "utf8")) as OwnKubeconfig;
  const [cluster, user] = [clusters[0]?.cluster, users[0]?.user];
  const data = (encoded = "") => Buffer.from(encoded, "base64");
  const options = {
    ca: data(cluster?.["certificate-authority-data"]),
    cert: data(user?.["client-certificate-data"]),
    key: data(user?.["client-key-data"]),
    agent: false,
    timeout: 10_000,
  };
  return (path) =>
    new Promise((resolve) => {
      let text = "";
      const request = https.get(new URL(path, cluster?.server), options, (response) => {
        response.setEncoding("utf8").on("data", (part: string) => (text += part));
        response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
      });
      request.once("timeout", () => request.destroy());
      request.once("error", () => resolve({ status: 0, text }));
      request.once("close", () => resolve({ status: 0, text }));
    });
}
