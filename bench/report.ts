import * as os from "node:os";
import type { Cost } from "./measure";
import { nodesTable } from "./nodes";
import type { Results } from "./results";
import { type Spread, spreadOf } from "./statistics";

/** One figure, for the table and the JSON. */
export interface Row {
  figure: string;
  rounds: number;
  /** Wall time. */
  seconds: Spread;
  /** CPU seconds, user and system. */
  cpu: Spread;
  /** CPU seconds by role, median. */
  cpuByRole: Record<string, number>;
  /** Peak, bytes. */
  memory: Spread;
  /** Provider processes by provider, in the last round. */
  providers: Record<string, number>;
}

/** The machine, for comparisons. Load is the mean number of running processes over one minute. */
export function machine(): {
  cpu: string;
  cores: number;
  memoryGiB: number;
  system: string;
  node: string;
  load: number;
} {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()}`,
    node: process.version,
    load: Number(os.loadavg()[0]?.toFixed(1)),
  };
}

export function rowsOf({ costs }: Results): Row[] {
  return [...costs].map(([figure, rounds]) => ({
    figure,
    rounds: rounds.length,
    seconds: spreadOf(rounds.map(({ seconds }) => seconds)),
    cpu: spreadOf(rounds.map(({ cpu }) => cpu)),
    cpuByRole: rolesOf(rounds),
    memory: spreadOf(rounds.map(({ memory }) => memory)),
    providers: providersOf(rounds.at(-1)),
  }));
}

function rolesOf(rounds: Cost[]): Record<string, number> {
  const roles = new Set(rounds.flatMap(({ cpuByRole }) => Object.keys(cpuByRole) as (keyof Cost["cpuByRole"])[]));
  return Object.fromEntries(
    [...roles].sort().map((role) => [role, spreadOf(rounds.map(({ cpuByRole }) => cpuByRole[role] ?? 0)).median]),
  );
}

function providersOf(cost: Cost | undefined): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [role, count] of Object.entries((cost?.processes ?? {}) as Record<string, number>)) {
    if (role.startsWith("provider ")) found[role.slice("provider ".length)] = count;
  }
  return found;
}

/** The limits from issue 7. Each is reported if its figures were measured. */
const aims: { told: string; limit: number; value: (rows: Map<string, Row>, results: Results) => number | undefined }[] =
  [
    {
      told: "no-op preview against an empty program's, times",
      limit: 2,
      value: (rows) => ratio(rows, "preview, nothing to do", "preview, empty program"),
    },
    {
      told: "up against the shell script's, times",
      limit: 1.3,
      value: (rows) => ratio(rows, "up", "shell script, up"),
    },
    { told: "destroy, s", limit: 10, value: (rows) => rows.get("destroy")?.seconds.median },
    {
      told: "up per cluster, 8 against 2 clusters, times",
      limit: 1.3,
      value: (rows) => {
        const eightfold = ratio(rows, "up, 8 clusters", "up, 2 clusters");
        return eightfold === undefined ? undefined : eightfold / 4;
      },
    },
    {
      told: "memory at 8 clusters, GiB",
      limit: 1.5,
      value: (rows) => {
        const bytes = rows.get("up, 8 clusters")?.memory.median;
        return bytes === undefined ? undefined : bytes / 2 ** 30;
      },
    },
    {
      told: "state of the rehearsal, MB",
      limit: 1.5,
      value: (_, { states }) => {
        const bytes = states.get("rehearsal")?.file;
        return bytes === undefined ? undefined : bytes / 1e6;
      },
    },
  ];

function ratio(rows: Map<string, Row>, one: string, other: string): number | undefined {
  const [a, b] = [rows.get(one), rows.get(other)];
  return a && b ? a.seconds.median / b.seconds.median : undefined;
}

/** The printed table, in Markdown so that it can be copied into docs/performance.md. */
export function table(rows: Row[], results: Results): string {
  const one = (value: number) => value.toFixed(1);
  const spread = ({ median, least, most }: Spread) => `${one(median)} (${one(least)} to ${one(most)})`;
  const list = (counts: Record<string, number>, show: (value: number) => string) =>
    Object.entries(counts)
      .map(([name, value]) => `${name} ${show(value)}`)
      .join(", ");
  const lines = [
    "| figure | rounds | wall s: median (least to most) | CPU s | CPU s by role, median | peak MB | provider processes |",
    "|---|---|---|---|---|---|---|",
    ...rows.map(({ figure, rounds, seconds, cpu, cpuByRole, memory, providers }) =>
      [
        ["", figure, rounds, spread(seconds), spread(cpu), list(cpuByRole, one)].join(" | ").trim(),
        (memory.median / 1e6).toFixed(0),
        `${list(providers, String)} |`,
      ].join(" | "),
    ),
  ];
  if (results.states.size > 0) {
    lines.push("", "| state of | file MB | JSON MB | resources |", "|---|---|---|---|");
    for (const [what, { file, json, resources }] of results.states) {
      lines.push(`| ${what} | ${(file / 1e6).toFixed(2)} | ${(json / 1e6).toFixed(2)} | ${resources} |`);
    }
  }
  if (results.nodes.size > 0) lines.push("", ...nodesTable(results.nodes));
  const byName = new Map(rows.map((row) => [row.figure, row]));
  const held = aims.flatMap(({ told, limit, value }) => {
    const measured = value(byName, results);
    if (measured === undefined) return [];
    return [`| ${told} | ${measured.toFixed(2)} | ${limit} | ${measured <= limit ? "kept" : "missed"} |`];
  });
  if (held.length > 0) lines.push("", "| aim | measured | at most | |", "|---|---|---|---|", ...held);
  if (results.notes.length > 0) lines.push("", ...results.notes);
  return lines.join("\n");
}
