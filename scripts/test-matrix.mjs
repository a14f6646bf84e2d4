// Runs the integration tests on every server there is a way to, one after the other, and prints a table.
// usage: npm run test:matrix [-- SERVER… PATH…]
// SERVER is an executable, docker:IMAGE, or part of the name of one that is found by itself ("valkey", "8.6"); PATH a file or
// folder of tests.
import { describe, findServers } from "./lib/servers.mjs";
import { isStopped, printFailures, printTable, projectOf, runProject, summary } from "./lib/vitest-run.mjs";

const words = process.argv.slice(2);
const paths = words.filter((word) => projectOf(word) !== undefined);
const wanted = words.filter((word) => !paths.includes(word));
const isGiven = (word) => word.startsWith("docker:") || word.includes("/");
const parts = wanted.filter((word) => !isGiven(word)).map((word) => word.toLowerCase());

const servers = takeServers();
console.log(`servers: ${servers.map(({ name }) => name).join(", ")}`);

const project = paths.length > 0 ? projectOf(paths[0]) : "integration";
const runs = [];
for (const { name, server } of servers) {
  if (isStopped()) break;
  console.log(`\n=== ${name}: ${server}`);
  const result = await runProject(project, { files: paths, env: { STREAMCTL_REDIS_SERVER: server } });
  runs.push({ ...result, name });
}
const rows = runs.map((result) => [result.name, summary(result)]);
printTable(["server", project], rows);
printFailures(runs);
process.exitCode = !isStopped() && runs.every(({ ok }) => ok) ? 0 : 1;

function takeServers() {
  try {
    const given = wanted.filter(isGiven).map(describe);
    if (given.length > 0 && parts.length === 0) return given;
    const isWanted = ({ name }) =>
      parts.length === 0 || parts.some((part) => name.toLowerCase().includes(part));
    const all = [...given, ...findServers().filter(isWanted)];
    if (all.length > 0) return all;
    const named = parts.length === 0 ? "" : ` named ${parts.join(", ")}`;
    throw new Error(
      `no server${named}: name executables or docker:IMAGE in STREAMCTL_MATRIX, start Docker or Podman, ` +
        "or use a system whose apt gets Debian's packages",
    );
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}
