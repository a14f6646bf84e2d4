// usage: npm run bench -- [--only P1,P3] [--match TEXT] [--pairs N] [--against COMMIT]
// Prints each measure as a ratio to its peer with the goals for it, keeps a record in bench/results/, and ends with 1
// when a "goal now" is missed. With --against the peer of everything is the build of that commit: nothing is a
// goal then. --match takes only the measures of P10 to P12 that have the text in their names. P11 (growth and transports) and P12
// (partitions and workers) take long and are left out unless named.
import { parseArgs } from "node:util";
import { buildCommit, describeWorkTree } from "./lib/builds.mjs";
import { keepRecord, printComparison, printTable, reached } from "./lib/report.mjs";
import { startTools } from "./lib/tools.mjs";

const MEASURES = [
  { file: "./produce.mjs", ids: ["P1"] },
  { file: "./read.mjs", ids: ["P2"] },
  { file: "./exec.mjs", ids: ["P3", "P4"] },
  { file: "./drain.mjs", ids: ["P5"] },
  { file: "./start.mjs", ids: ["P6"] },
  { file: "./replay.mjs", ids: ["P7"] },
  { file: "./memory.mjs", ids: ["P8"] },
  { file: "./lag.mjs", ids: ["P9"] },
  { file: "./far.mjs", ids: ["P10"] },
  { file: "./growth.mjs", ids: ["P11"], long: true },
  { file: "./transports.mjs", ids: ["P11"], long: true },
  { file: "./scaling.mjs", ids: ["P12"], long: true },
];

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    match: { type: "string" },
    pairs: { type: "string" },
    against: { type: "string" },
  },
});
const known = MEASURES.flatMap(({ ids }) => ids);
const usual = MEASURES.filter(({ long }) => !long).flatMap(({ ids }) => ids);
const only = new Set(values.only?.flatMap((ids) => ids.split(",")) ?? usual);
const unknown = [...only].filter((id) => !known.includes(id));
if (unknown.length > 0) {
  console.error(`no measure ${unknown.join(", ")}; there are ${known.join(", ")}`);
  process.exit(2);
}

const results = [];
let failed = false;
let other;
const { tools, stop } = await startTools({
  pairs: values.pairs === undefined ? undefined : Number(values.pairs),
  wants: (name) => values.match === undefined || name.includes(values.match),
  only,
  results,
});
// What has been measured until then is printed; a second signal waits for nothing.
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    if (stopping.signal.aborted) process.exit(130);
    stopping.abort();
  });
}
tools.stopping = stopping.signal;
const build = await describeWorkTree();
try {
  if (values.against !== undefined) other = await buildCommit(values.against, tools.tmp);
  tools.against = other?.streamctl;
  for (const { file, ids } of MEASURES) {
    if (stopping.signal.aborted || !ids.some((id) => only.has(id))) continue;
    console.error(`measuring ${ids.join(", ")} …`);
    const { bench } = await import(file);
    try {
      await bench(tools);
    } catch (error) {
      failed = true;
      console.error(`${ids.join(", ")} broken off: ${error.message}`);
    }
  }
} finally {
  await other?.remove();
  await stop();
}

if (other) printComparison(results, build, other.name);
else printTable(results);
keepRecord(results, { build, against: other?.name });
process.exitCode = results.every(reached) && !failed ? 0 : 1;
