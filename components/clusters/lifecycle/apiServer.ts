import * as fs from "node:fs/promises";
import * as https from "node:https";
import { ownKubeconfig } from "../../../lib/paths";

/** Where the API server keeps its CustomResourceDefinitions. */
export const definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** Whether the API server answers and is fully ready. https://kubernetes.io/docs/reference/using-api/health-checks */
export async function isReady(cluster: string): Promise<boolean> {
  const ask = await asAdmin(cluster);
  return (await ask("/readyz")).status === 200;
}

/**
 * Whether the server serves every custom resource. A restarted server is ready before that. For some seconds it answers
 * 429 ("storage is (re)initializing"), and an update would fail.
 */
export async function servesCustomResources(cluster: string): Promise<boolean> {
  const ask = await asAdmin(cluster);
  const { status, text } = await ask(definitionsPath);
  if (status !== 200) return false;
  const { items } = JSON.parse(text) as { items: Definition[] };
  const statuses = items.map(async ({ spec: { group, versions, names } }) => {
    const version = versions.find(({ served }) => served)?.name ?? "";
    return (await ask(`/apis/${group}/${version}/${names.plural}?limit=1`)).status;
  });
  return (await Promise.all(statuses)).every((one) => one === 200);
}

/** The fields of a CustomResourceDefinition used here. */
interface Definition {
  spec: { group: string; versions: { name: string; served: boolean }[]; names: { plural: string } };
}

/** The fields of a cluster's own kubeconfig used here. */
interface OwnKubeconfig {
  clusters: { cluster: { server: string; "certificate-authority-data"?: string } }[];
  users: { user: { "client-certificate-data"?: string; "client-key-data"?: string } }[];
}

/** Status 0 where nothing answered. */
export interface Answer {
  status: number;
  text: string;
}

/** @param body JSON; PATCH means server-side apply: https://kubernetes.io/docs/reference/using-api/server-side-apply */
type Ask = (path: string, method?: "GET" | "PATCH" | "DELETE", body?: string) => Promise<Answer>;

/** Sends requests to a local cluster as its admin, with a timeout of ten seconds. */
export async function asAdmin(name: string): Promise<Ask> {
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
  return (path, method = "GET", body) =>
    new Promise((resolve) => {
      let text = "";
      const headers = method === "PATCH" ? { "Content-Type": "application/apply-patch+yaml" } : {};
      const request = https.request(new URL(path, cluster?.server), { ...options, method, headers }, (response) => {
        response.setEncoding("utf8").on("data", (part: string) => (text += part));
        response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
      });
      request.once("timeout", () => request.destroy());
      request.once("error", () => resolve({ status: 0, text }));
      request.once("close", () => resolve({ status: 0, text }));
      request.end(body);
    });
}
