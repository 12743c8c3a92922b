/**
 * Counts for 30 seconds which cluster answers web, and how many of the vote-bot's requests fail.
 * Run it with: node --import tsx examples/emojivoto/check.ts [stack]
 */
import { setTimeout as sleep } from "node:timers/promises";
import { physicalNameOf } from "../../config/physicalName";
import { outputOf, UserError } from "../../lib/run";
import { runToEnd } from "../../lib/verbs";

const stack = process.argv[2] ?? "emojivoto";
const seconds = 30;

/** The counters of the proxy beside web: the value by name and labels. */
async function counters(): Promise<Map<string, number>> {
  const context = `k3d-${physicalNameOf(stack, "dev")}`;
  const pod = ["--context", context, "--namespace", "emojivoto", "exec", "deploy/web", "--container", "web-svc"];
  const metrics = await outputOf("kubectl", [...pod, "--", "curl", "-sS", "http://localhost:4191/metrics"]);
  const samples = metrics.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

async function main(): Promise<void> {
  const before = await counters();
  await sleep(seconds * 1000);
  const after = await counters();
  const increase = (name: string, ...labels: string[]) =>
    [...after]
      .filter(([sample]) => sample.startsWith(`${name}{`) && labels.every((label) => sample.includes(label)))
      .reduce((sum, [sample, value]) => sum + value - (before.get(sample) ?? 0), 0);
  for (const service of ["emoji-svc", "voting-svc"]) {
    const [east, west] = ["east", "west"].map((cluster) =>
      increase(
        "outbound_http_route_backend_response_statuses_total",
        `backend_name="${service}-${cluster}"`,
        'http_status="200"',
      ),
    );
    console.log(`${service}: ${east} answers from east, ${west} from west`);
  }
  const failed = increase("response_total", 'direction="inbound"', 'classification="failure"');
  const good = increase("response_total", 'direction="inbound"', 'classification="success"');
  if (good + failed === 0) throw new UserError(`web of stack ${stack} got no request`);
  console.log(`web: ${good} requests answered, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

void runToEnd(main);
