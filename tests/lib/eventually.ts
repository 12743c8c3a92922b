import { setTimeout as sleep } from "node:timers/promises";

/** Attempts it every quarter of a second until it does not throw; throws what the last attempt threw. */
export async function eventually<T>(attempt: () => T | Promise<T>, seconds = 120): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(250);
    }
  }
}
