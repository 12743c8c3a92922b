import { setTimeout as sleep } from "node:timers/promises";
import type { Informer, KubernetesListObject, ObjectCache } from "@kubernetes/client-node" with {
  "resolution-mode": "import",
};
import { client, reason, type ClusterClient, type KubernetesObject } from "./api";

/** A signal ended the run. Code that waits stops and cleans up. */
export class Interrupted extends Error {
  constructor() {
    super("interrupted");
  }
}

/** Pause before a broken watch is opened again, so that it does not reconnect in a tight loop. */
const reopenAfterMs = 500;

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(reason(thrown));
}

/** A live list of one kind of object in one namespace, kept by a watch. */
export class View<T extends KubernetesObject> {
  private readonly listeners = new Set<() => void>();
  private closed = false;
  private reopening: NodeJS.Timeout | undefined;
  private error: Error | undefined;

  private constructor(
    private readonly informer: Informer<T> & ObjectCache<T>,
    private readonly path: string,
  ) {
    informer.on("change", () => this.changed());
    informer.on("connect", () => (this.error = undefined));
    informer.on("error", (error: unknown) => {
      this.error = asError(error);
      if (!this.closed) this.reopening = setTimeout(() => this.reopen(), reopenAfterMs);
    });
  }

  /**
   * Opens a view and returns once it holds the first list.
   *
   * @param path of the resource. Example: `/api/v1/namespaces/default/services`
   * @throws the error of the first list, because an empty view would look like an empty cluster
   */
  static async open<T extends KubernetesObject>(
    cluster: ClusterClient,
    path: string,
    list: () => Promise<KubernetesListObject<T>>,
  ): Promise<View<T>> {
    const { makeInformer } = await client();
    let listed = false;
    const first = async (): Promise<KubernetesListObject<T>> => {
      const objects = await list();
      listed = true;
      return objects;
    };
    const view = new View(makeInformer(cluster.kube, path, first), path);
    await view.informer.start();
    if (listed) return view;
    await view.close();
    throw view.error ?? new Error(`${path} was not listed`);
  }

  items(): readonly T[] {
    return this.informer.list();
  }

  get(name: string): T | undefined {
    return this.items().find((item) => item.metadata?.name === name);
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.reopening);
    await this.informer.stop();
  }

  /** Why this view may be out of date, or undefined. */
  failure(): string | undefined {
    return this.error && `the watch of ${this.path} is broken: ${reason(this.error)}`;
  }

  private reopen(): void {
    this.informer.start().catch((error: unknown) => (this.error = asError(error)));
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}

/**
 * Waits for several views. If one cannot be opened, the others are closed. Otherwise they would watch for ever and keep
 * the program running.
 */
export async function allOpen<T extends readonly Promise<Pick<View<KubernetesObject>, "close">>[]>(
  views: readonly [...T],
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  try {
    return await Promise.all(views);
  } catch (error) {
    for (const view of await Promise.allSettled(views)) if (view.status === "fulfilled") await view.value.close();
    throw error;
  }
}

/** How long a check may take, and the signal that ends it earlier. */
export class Deadline {
  private end: number;

  constructor(
    readonly seconds: number,
    readonly signal: AbortSignal,
  ) {
    this.end = performance.now() + seconds * 1000;
  }

  /** Restarts the clock, so that preparations do not count. */
  restart(): void {
    this.end = performance.now() + this.seconds * 1000;
  }

  leftMs(): number {
    return Math.max(0, this.end - performance.now());
  }

  /**
   * Waits a second, to poll where no watch is possible: for an API server that may be down.
   *
   * @throws Interrupted when the run is ended by a signal
   */
  async pause(): Promise<void> {
    await sleep(1_000, undefined, { signal: this.signal }).catch(() => {
      throw new Interrupted();
    });
  }
}

/**
 * Watches until nothing is missing.
 *
 * @param missing describes what is still wrong, or returns undefined. Called at every change.
 * @returns undefined if nothing was missing in time, otherwise the last description
 * @throws Interrupted when the run is ended by a signal
 */
export function until(
  views: readonly (Pick<View<KubernetesObject>, "listen"> & { failure?: () => string | undefined })[],
  missing: () => string | undefined,
  deadline: Deadline,
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      deadline.signal.removeEventListener("abort", interrupt);
      for (const leave of leaves) leave();
    };
    const interrupt = (): void => {
      stop();
      reject(new Interrupted());
    };
    const look = (): void => {
      try {
        if (missing() !== undefined) return;
      } catch (error) {
        stop();
        reject(asError(error));
        return;
      }
      stop();
      resolve(undefined);
    };
    const leaves = views.map((view) => view.listen(look));
    const late = (): void => {
      stop();
      try {
        const still = missing();
        const broken = views.flatMap((view) => view.failure?.() ?? []);
        resolve(still === undefined ? undefined : [`${still} (after ${deadline.seconds} s)`, ...broken].join("; "));
      } catch (error) {
        reject(asError(error));
      }
    };
    const timer = setTimeout(late, deadline.leftMs());
    deadline.signal.addEventListener("abort", interrupt);
    if (deadline.signal.aborted) interrupt();
    else look();
  });
}
