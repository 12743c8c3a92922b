import { Argument } from "commander";
import { cacheName, findCache, doesAnswer } from "../imageCache/container";
import { cacheContent, clearCache } from "../imageCache/size";
import { portOf, upstreams } from "../imageCache/upstreams";
import { newCommand, parse } from "../lib/commandLine";
import { columns } from "../lib/terminal";

/** `npm run cache -- status|clear` */
export async function run(words: string[]): Promise<number> {
  const command = newCommand("cache", "Show or empty the image cache that all k3d clusters on this machine share.", {
    "npm run cache -- status": "whether it runs, its size, and what is in it; exits with 1 if it is broken",
    "npm run cache -- clear": "empty it; the image cache then fetches images from their registries again",
  }).addArgument(new Argument("<action>", "what to do").choices(["status", "clear"]));
  const [action] = parse(command, words).args as ["status" | "clear"];
  return { status, clear }[action]();
}

async function status(): Promise<number> {
  const [found, content] = [await findCache(), await cacheContent()];
  const sum = (one: "bytes" | "repositories" | "tags") => content.reduce((all, entry) => all + entry[one], 0);
  const answers = await Promise.all(
    upstreams.map(async (_, place) => {
      const port = found?.ports[portOf(place)];
      return port !== undefined && (await doesAnswer(port));
    }),
  );
  const isBroken = (found?.running ?? false) && answers.includes(false);
  const rows = upstreams.map(({ hosts: [name] }, place) => {
    const { bytes = 0, repositories = 0, tags = 0 } = content.find((one) => one.name === name) ?? {};
    const cells = [`http://${cacheName}:${portOf(place)}`, sizeOf(bytes), String(repositories), String(tags)];
    return [answers[place] ? "√" : "-", name, ...cells];
  });
  const state = found ? (found.running ? (isBroken ? "does not answer" : "runs") : "is stopped") : "does not exist";
  console.log(`The image cache ${state}: container ${cacheName}${found ? ` of image ${found.image}` : ""}`);
  console.log(`It has ${sizeOf(sum("bytes"))}: ${sum("tags")} tags in ${sum("repositories")} repositories`);
  console.log(`Networks: ${found?.networks.join(", ") || "none"}\n`);
  console.log(columns([["", "UPSTREAM", "ADDRESS", "SIZE", "REPOSITORIES", "TAGS"], ...rows]).join("\n"));
  if (isBroken) console.log(`\nNodes pull from the upstreams. Next: docker logs ${cacheName}`);
  if (!found?.running) console.log("\nThe next npm start of a k3d stack that uses it starts it.");
  return isBroken ? 1 : 0;
}

async function clear(): Promise<number> {
  const bytes = await clearCache();
  console.log(`The image cache is empty. Freed: ${bytes} bytes (${sizeOf(bytes)})`);
  return 0;
}

/** Example: `12.5 MB` */
export function sizeOf(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB"];
  const unit = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return `${unit === 0 ? bytes : (bytes / 1000 ** unit).toFixed(1)} ${units[unit]}`;
}
