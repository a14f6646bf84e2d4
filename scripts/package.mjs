// Builds, tests and leaves in out/ what people install.
// usage: npm run package [-- --out DIR] [--without-executables] [--without-tests]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildArtifacts } from "./package/artifacts.mjs";
import { root } from "./package/common.mjs";
import { executableName, nodeFor } from "./package/executable.mjs";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: `${root}out` },
    "without-executables": { type: "boolean" },
    "without-tests": { type: "boolean" },
  },
});
const out = resolve(values.out);

/** Ends this run when it fails. */
function step(program, args, env = {}) {
  const { status } = spawnSync(program, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  if (status !== 0) process.exit(status ?? 1);
}

const tested = !values["without-tests"];
step(process.execPath, ["scripts/build.mjs"]);
if (tested) step("npx", ["vitest", "run", "--project", "unit"]);
const missing = buildArtifacts(out, { executables: !values["without-executables"] });
if (tested) step("npx", ["vitest", "run", "--project", "package"], { STREAMCTL_ARTIFACTS: out });

const executable = join(out, executableName("x64"));
const hasExecutable = statSync(executable, { throwIfNoEntry: false }) !== undefined;
if (tested && hasExecutable) {
  const chosen = [
    "bin",
    "completion",
    "connection",
    "consume",
    "environment",
    "pending",
    "produce",
    "sandbox",
    "worker",
  ];
  const files = chosen.map((name) => `test/e2e/${name}.test.ts`);
  step("npx", ["vitest", "run", "--project", "e2e", ...files], { STREAMCTL_TEST_PROGRAM: executable });
}

console.log("");
for (const name of readdirSync(out).sort())
  console.log(`${(statSync(join(out, name)).size / 1e6).toFixed(1).padStart(7)} MB  ${join(out, name)}`);
for (const reason of missing) console.log(`not built: ${reason}`);
if (hasExecutable) sayStartUp();

/** Start-up of the executable beside that of its Node with an empty file, in turn, as medians. */
function sayStartUp() {
  const node = nodeFor("x64").executable;
  const folder = mkdtempSync(join(tmpdir(), "streamctl-empty-"));
  const empty = join(folder, "empty.cjs");
  writeFileSync(empty, "");
  const runs = [
    { name: "Node with an empty file", program: node, args: [empty], times: [] },
    { name: "--version", program: executable, args: ["--version"], times: [] },
    { name: "--help", program: executable, args: ["--help"], times: [] },
  ];
  for (let round = 0; round < 21; round++)
    for (const { program, args, times } of runs) {
      const start = performance.now();
      spawnSync(program, args, { stdio: "ignore" });
      times.push(performance.now() - start);
    }
  rmSync(folder, { recursive: true });
  const [bare] = runs.map(median);
  for (const run of runs)
    console.log(
      `${median(run).toFixed(1).padStart(7)} ms  ${run.name} (${(median(run) / bare).toFixed(2)} × Node)`,
    );
}

function median({ times }) {
  return times.toSorted((a, b) => a - b)[times.length >> 1];
}
