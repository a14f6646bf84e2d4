// Runs the tests on each Node that the program is for, in builds of the npm registry, and prints a table; what is older must
// refuse in one line.
// usage: npm run test:nodes [-- NODE… PROJECT… PATH…]
// NODE is a line (24: its newest) or a version, PROJECT unit, integration or e2e, PATH a file or folder of tests.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareVersions, findNode } from "./lib/nodes.mjs";
import { isStopped, printFailures, printTable, projectOf, runProject, summary } from "./lib/vitest-run.mjs";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
/** The oldest Node there is to run on, not the newest of its line. */
const FLOOR = manifest.engines.node.replace(">=", "");
const FLOOR_LINE = FLOOR.replace(/\.\d+$/, "");
const NODES = [FLOOR_LINE, "22", "24", "26"];
const TOO_OLD = ["16", "18", "20.18"];
const PROJECTS = ["unit", "integration", "e2e"];

const words = process.argv.slice(2);
const isNode = (word) => /^\d+(\.\d+){0,2}$/.test(word);
const paths = words.filter((word) => projectOf(word) !== undefined);
const unknown = words.filter((word) => !isNode(word) && !PROJECTS.includes(word) && !paths.includes(word));
if (unknown.length > 0) {
  console.error(`no Node, project or path of tests: ${unknown.join(", ")}`);
  console.error(`usage: npm run test:nodes -- ${NODES.join(" ")} ${PROJECTS.join(" ")} test/e2e/bin.test.ts`);
  process.exit(2);
}
const wanted = words.some(isNode) ? words.filter(isNode) : [...TOO_OLD, ...NODES];
const named = [...PROJECTS.filter((project) => words.includes(project)), ...paths.map(projectOf)];
const projects = named.length > 0 ? [...new Set(named)] : PROJECTS;

const rows = [];
const runs = [];
for (const one of wanted) {
  if (isStopped()) break;
  const node = findNode(one === FLOOR_LINE ? FLOOR : one);
  if (node === undefined) {
    rows.push([one, ...projects.map(() => "not had")]);
    process.exitCode = 1;
    continue;
  }
  if (compareVersions(node.version, FLOOR) < 0) {
    const refuses = isRefused(node.executable);
    if (!refuses) process.exitCode = 1;
    const cell = refuses ? "too old, and told so" : "too old, and NOT told so in one line";
    rows.push([node.version, cell, ...projects.slice(1).map(() => "")]);
    continue;
  }
  const row = [node.version];
  const copy = copyForAll(node.executable);
  for (const project of projects) {
    if (isStopped()) break;
    const name = `Node ${node.version}, ${project}`;
    console.log(`\n=== ${name}`);
    const files = paths.filter((path) => projectOf(path) === project);
    const result = await runProject(project, { node: copy.executable, files });
    if (!result.ok) process.exitCode = 1;
    runs.push({ ...result, name });
    row.push(summary(result));
  }
  copy.remove();
  rows.push([...row, ...projects.map(() => "not run")].slice(0, projects.length + 1));
}
printTable(["Node", ...projects], rows);
printFailures(runs);
if (isStopped()) process.exitCode = 1;

/** Tests become other users, who may not look into this one's cache. */
function copyForAll(executable) {
  const folder = mkdtempSync(join(tmpdir(), "node-"));
  chmodSync(folder, 0o755);
  const copy = join(folder, "node");
  copyFileSync(executable, copy);
  chmodSync(copy, 0o755);
  return { executable: copy, remove: () => rmSync(folder, { recursive: true }) };
}

/** A Node that is too old gets one line that says so, and not a syntax error. */
function isRefused(node) {
  const args = [new URL("../bin/streamctl.js", import.meta.url).pathname, "ls"];
  const { status, stdout, stderr } = spawnSync(node, args, { encoding: "utf8" });
  return status === 1 && stdout === "" && /^streamctl: error: needs Node [^\n]+\n$/.test(stderr);
}
