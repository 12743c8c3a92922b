import * as https from "node:https";
import { parse } from "yaml";

export interface Answer<T> {
  status: number;
  body: T;
}

/** The fields of every API object that the tests look at. */
export interface ApiObject {
  metadata: { name: string; namespace?: string; uid?: string; labels?: Record<string, string> };
  spec?: Record<string, unknown>;
}

/** One cluster's API server, asked over HTTPS as the admin of its kubeconfig. */
export class Api {
  private readonly server: string;
  private readonly options: https.RequestOptions;

  /**
   * @param kubeconfig of one cluster, with certificates as data
   * @param agent for many requests in a row. Default: one connection per request, so that the server may restart
   */
  constructor(kubeconfig: string, agent: https.Agent | false = false) {
    const { clusters, users } = parse(kubeconfig) as {
      clusters: { cluster: { server: string; "certificate-authority-data"?: string } }[];
      users: { user: { "client-certificate-data": string; "client-key-data": string } }[];
    };
    const [cluster, user] = [clusters[0]?.cluster, users[0]?.user];
    if (!cluster || !user) throw new Error("a kubeconfig with a cluster and a user is expected");
    const decode = (data = "") => Buffer.from(data, "base64");
    const ca = cluster["certificate-authority-data"];
    this.server = cluster.server;
    this.options = {
      cert: decode(user["client-certificate-data"]),
      key: decode(user["client-key-data"]),
      ...(ca ? { ca: decode(ca) } : { rejectUnauthorized: false }),
      agent,
    };
  }

  /** Example: `await api.get("/api/v1/namespaces/default/services/web")` */
  get<T = ApiObject>(path: string): Promise<Answer<T>> {
    return this.ask("GET", path);
  }

  async list(path: string): Promise<ApiObject[]> {
    const { status, body } = await this.get<{ items: ApiObject[] }>(path);
    if (status !== 200) throw new Error(`${path} answers ${status}`);
    return body.items;
  }

  async create(path: string, object: unknown): Promise<void> {
    const { status, body } = await this.ask("POST", path, object);
    if (status !== 201) throw new Error(`${path} answers ${status}: ${JSON.stringify(body)}`);
  }

  ask<T>(method: string, path: string, object?: unknown): Promise<Answer<T>> {
    return new Promise((resolve, reject) => {
      const kind = method === "PATCH" ? "merge-patch+json" : "json";
      const headers = { "content-type": `application/${kind}` };
      const request = https.request(`${this.server}${path}`, { ...this.options, method, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => (text += part));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as T }));
        response.on("error", reject);
      });
      request.on("error", reject);
      request.end(object === undefined ? undefined : JSON.stringify(object));
    });
  }
}
