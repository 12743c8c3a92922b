/** An image, as its name says. */
export interface ImageReference {
  /** Host of its registry. Example: `docker.io` */
  host: string;
  /** Example: `library/nginx` */
  repository: string;
  /** Tag or digest. Example: `1.29` */
  reference: string;
}

/**
 * Reads the name of an image as Docker and containerd do.
 *
 * @example readImage("nginx:1.29") // { host: "docker.io", repository: "library/nginx", reference: "1.29" }
 */
export function readImage(image: string): ImageReference {
  const [named = "", digest] = image.split("@");
  const [first = "", ...rest] = named.split("/");
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const [, path = "", tag] = /^(.*?)(?::([\w.-]+))?$/.exec(isHost ? rest.join("/") : named) ?? [];
  const host = isHost && first !== "index.docker.io" ? first : "docker.io";
  const repository = host === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  return { host, repository, reference: digest ?? tag ?? "latest" };
}

const lists = ["initContainers", "containers"];

/**
 * The images of all containers in Kubernetes objects of any kind, each once.
 *
 * @example imagesIn([deployment, pod]) // ["nginx:1.29", "curlimages/curl:8.17.0"]
 */
export function imagesIn(objects: readonly unknown[]): string[] {
  const found = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [field, one] of Object.entries(value)) {
      if (lists.includes(field) && Array.isArray(one)) {
        for (const container of one as ({ image?: unknown } | null)[])
          if (typeof container?.image === "string" && container.image !== "") found.add(container.image);
      }
      visit(one);
    }
  };
  objects.forEach(visit);
  return [...found];
}
