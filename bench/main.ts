import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { root, stateDirectory } from "../cli/paths";
import { chooseCharts, prepareTools, searching } from "../cli/prepare";
import { capture, say, UserError } from "../cli/run";
import { readSettings } from "../cli/stackFile";
import { Lab } from "./lab";
import { measures } from "./measures";
import { plot, type Series } from "./plot";
import { machine, type Row, rowsOf, table } from "./report";
import { Results } from "./results";

/** What `npm run bench` is told. */
export interface BenchArguments {
  rounds: number;
  only: string[];
  json?: string;
  plot: string;
  charts?: string;
}

/**
 * `npm run bench [-- --rounds N] [--only preview|rehearsal|growth] [--json FILE] [--plot FILE.svg] [--charts DIRECTORY]`
 *
 * Measures on stacks of its own, in a temporary directory. Linux only: CPU time and memory are read from /proc.
 */
export async function run(args: string[]): Promise<number> {
  const { rounds, only, json, plot: picture, charts } = parseArguments(args);
  if (process.platform !== "linux") throw new UserError(`bench reads /proc, which ${process.platform} does not have`);
  if (only.includes("rehearsal")) await needKubectlAndOpenssl();
  const tools = searching(await prepareTools("kwok"));
  const chosen = charts ? { MESH_CHART_DIRECTORY: charts } : await chooseCharts("kwok", readSettings("rehearsal"));

  const before = machine();
  const results = new Results();
  const lab = new Lab({ ...tools, ...chosen });
  say(`Measuring in ${lab.directory}, ${rounds} rounds, load ${before.load}`);
  try {
    for (const name of only) await measures[name]?.(lab, rounds, results);
  } finally {
    // What was measured before a failure is told all the same.
    const rows = rowsOf(results);
    console.log(`${before.cores} x ${before.cpu}, ${before.memoryGiB} GiB, ${before.system}, Node.js ${before.node}`);
    console.log(`Load before ${before.load}, after ${machine().load}\n\n${table(rows, results)}`);
    if (json) writeJson(json, { machine: before, loadAfter: machine().load, rows, states: [...results.states] });
    const growth = growthOf(rows, results);
    if (growth.length > 0) {
      fs.mkdirSync(path.dirname(picture), { recursive: true });
      fs.writeFileSync(picture, plot("A full mesh of simulated clusters, without workloads", "clusters", growth));
      console.log(`\nDrawn: ${path.relative(root, picture)}`);
    }
    await lab.close();
  }
  return 0;
}

/** @throws UserError naming the flag, its value and what is allowed */
export function parseArguments(args: string[]): BenchArguments {
  const names = Object.keys(measures);
  const text = { type: "string" } as const;
  const parse = () =>
    parseArgs({
      args,
      options: { rounds: text, only: { ...text, multiple: true }, json: text, plot: text, charts: text },
    });
  let values: ReturnType<typeof parse>["values"];
  try {
    ({ values } = parse());
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `${problem}; allowed: --rounds, --only, --json, --plot, --charts. Next: npm run bench -- --rounds 1`,
    );
  }
  const rounds = Number(values.rounds ?? 3);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new UserError(
      `--rounds is ${values.rounds}; allowed: whole numbers from 1. Next: npm run bench -- --rounds 3`,
    );
  }
  const only = values.only ?? names;
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new UserError(
      `--only is ${unknown}; allowed: ${names.join(", ")}. Next: npm run bench -- --only ${names[0]}`,
    );
  }
  const charts = values.charts === undefined ? undefined : path.resolve(values.charts);
  if (charts !== undefined && !fs.existsSync(path.join(charts, "linkerd-control-plane", "Chart.yaml"))) {
    throw new UserError(
      `--charts is ${charts}; allowed: a directory with Linkerd's three charts as folders. Next: helm pull --untar`,
    );
  }
  return {
    rounds,
    only: [...new Set(only)],
    json: values.json === undefined ? undefined : path.resolve(values.json),
    plot: path.resolve(values.plot ?? path.join(stateDirectory, "bench.svg")),
    charts,
  };
}

async function needKubectlAndOpenssl(): Promise<void> {
  for (const [tool, ...args] of [
    ["kubectl", "version", "--client"],
    ["openssl", "version"],
  ] as const) {
    const { code } = await capture(tool, [...args]);
    if (code === 127)
      throw new UserError(`the shell script needs ${tool}, which is not on PATH. Next: install it, or --only preview`);
  }
}

/** One series a cost, over the numbers of clusters that were measured. */
export function growthOf(rows: Row[], { states }: Pick<Results, "states">): Series[] {
  const measured = rows.flatMap((row) => {
    const clusters = /^up, (\d+) clusters$/.exec(row.figure)?.[1];
    return clusters === undefined ? [] : [{ x: Number(clusters), row }];
  });
  if (measured.length === 0) return [];
  const points = (value: (row: Row, clusters: number) => number) =>
    measured.map(({ x, row }) => ({ x, y: value(row, x) }));
  return [
    { title: "up, seconds", points: points(({ seconds }) => seconds.median) },
    { title: "up, CPU seconds", points: points(({ cpu }) => cpu.median) },
    { title: "peak memory, MB", points: points(({ memory }) => memory.median / 1e6) },
    { title: "state, MB", points: points((_, clusters) => (states.get(`${clusters} clusters`)?.file ?? 0) / 1e6) },
    { title: "resources", points: points((_, clusters) => states.get(`${clusters} clusters`)?.resources ?? 0) },
  ];
}

function writeJson(file: string, content: unknown): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}
