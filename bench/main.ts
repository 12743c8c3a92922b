import * as fs from "node:fs";
import * as path from "node:path";
import { InvalidArgumentError } from "commander";
import { listOf, newCommand, parse, wholeNumber, writableFile } from "../lib/commandLine";
import { root, stateDirectory } from "../lib/paths";
import { dockerProblem } from "../components/clusters/lifecycle/k3d";
import { chooseCharts } from "../tools/charts";
import { prepareTools, searching } from "../tools/prepare";
import { capture, say, UserError } from "../lib/run";
import { readStackFile } from "../stacks/stackFile";
import { Lab } from "./lab";
import { measures, onK3d } from "./measures";
import { plot, type Series } from "./plot";
import { machine, type Row, rowsOf, table } from "./report";
import { Results } from "./results";

/** Arguments of `npm run bench`. */
export interface BenchArguments {
  /** Names of the measures to take. */
  chosen: string[];
  rounds: number;
  json?: string;
  plot: string;
  charts?: string;
  nodeImage?: string;
}

/**
 * `npm run bench [-- [measure...] [--rounds N] [--json FILE] [--plot FILE.svg] [--charts DIRECTORY] [--node-image IMAGE]]`
 *
 * Measures its own stacks, in a temporary directory. Linux only: CPU time and memory are read from /proc.
 */
export async function run(args: string[]): Promise<number> {
  const { chosen, rounds, json, plot: picture, charts: chartDirectory, nodeImage } = parseArguments(args);
  if (process.platform !== "linux") throw new UserError(`bench reads /proc, which ${process.platform} does not have`);
  const runtimes = [...new Set(chosen.map((name) => (onK3d.includes(name) ? "k3d" : "kwok")))];
  if (["rehearsal", "peers"].some((name) => chosen.includes(name))) await needKubectlAndOpenssl();
  const docker = runtimes.includes("k3d") && (await dockerProblem());
  if (docker) throw new UserError(docker);
  const tools = searching(await prepareTools(...runtimes));
  const charts = chartDirectory
    ? { MESH_CHART_DIRECTORY: chartDirectory }
    : await chooseCharts(runtimes.includes("k3d") ? "k3d" : "kwok", readStackFile("rehearsal").get);

  const before = machine();
  const results = new Results();
  const lab = new Lab({ ...tools, ...charts });
  say(`Measuring in ${lab.directory}, ${rounds} rounds, load ${before.load}`);
  try {
    for (const name of chosen) await measures[name]?.(lab, rounds, results, { nodeImage });
  } finally {
    // Reports the figures even after a failure.
    const rows = rowsOf(results);
    console.log(`${before.cores} x ${before.cpu}, ${before.memoryGiB} GiB, ${before.system}, Node.js ${before.node}`);
    console.log(`Load before ${before.load}, after ${machine().load}\n\n${table(rows, results)}`);
    if (json)
      writeJson(json, {
        machine: before,
        loadAfter: machine().load,
        rows,
        states: [...results.states],
        nodes: [...results.nodes],
        notes: results.notes,
      });
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
export function parseArguments(words: string[]): BenchArguments {
  const names = Object.keys(measures);
  const usual = names.filter((name) => !onK3d.includes(name));
  const command = newCommand(
    "bench",
    "Measure what a user waits for, on stacks in a temporary directory. Linux only.",
    {
      "npm run bench -- preview": "previews against an empty program, about three minutes",
      "npm run bench -- --rounds 1": "everything on simulated clusters once",
      "npm run bench -- peers": "the same mesh by the demo's steps, by Helm and by this program (needs Docker)",
    },
  )
    .argument("[measure...]", `only these: ${names.join(", ")}; default: ${usual.join(", ")}`, listOf(names))
    .option("--rounds <number>", "how often each figure is measured", wholeNumber(1), 3)
    .option("--json <file>", "write the figures as JSON", writableFile)
    .option("--plot <file.svg>", "where the picture goes", path.join(stateDirectory, "bench.svg"))
    .option(
      "--charts <directory>",
      "Linkerd's three charts as folders, instead of those that the settings name",
      chartFolders,
    )
    .option("--node-image <image>", "image of k3d's nodes, instead of the one k3d was released with");
  const { args, options } = parse<Omit<BenchArguments, "chosen">>(command, words);
  const { json, plot: picture } = options;
  const named = args[0] as string[];
  return {
    ...options,
    chosen: named.length > 0 ? named : usual,
    json: json === undefined ? undefined : path.resolve(json),
    plot: path.resolve(picture),
  };
}

function chartFolders(directory: string): string {
  const found = path.resolve(directory);
  if (fs.existsSync(path.join(found, "linkerd-control-plane", "Chart.yaml"))) return found;
  throw new InvalidArgumentError("Allowed: a directory with Linkerd's three charts as folders (helm pull --untar)");
}

async function needKubectlAndOpenssl(): Promise<void> {
  for (const [tool, ...args] of [
    ["kubectl", "version", "--client"],
    ["openssl", "version"],
  ] as const) {
    const { code } = await capture(tool, [...args]);
    if (code === 127)
      throw new UserError(
        `the shell scripts need ${tool}, which is not on PATH. Next: install it, or npm run bench -- preview`,
      );
  }
}

/** One series per cost, over the measured numbers of clusters. */
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
