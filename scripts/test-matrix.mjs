// Runs the integration tests on several servers, one after the other, and prints a table.
// usage: npm run test:matrix -- SERVER…   (executables or docker:IMAGE; default: STREAMCTL_MATRIX, split at spaces)
import { spawn } from "node:child_process";
import { basename, dirname } from "node:path";

const servers = process.argv.slice(2);
if (servers.length === 0) servers.push(...(process.env.STREAMCTL_MATRIX ?? "").split(/\s+/).filter(Boolean));
if (servers.length === 0) {
  console.error("usage: npm run test:matrix -- SERVER…  (executables, or docker:IMAGE)");
  process.exit(2);
}

/** Resolves with the run's output; shows it as it comes. */
function runTests(server) {
  return new Promise((resolve) => {
    const child = spawn("npx", ["vitest", "run", "--project", "integration"], {
      env: { ...process.env, STREAMCTL_REDIS_SERVER: server },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    child.on("close", (code) => resolve({ code, output }));
  });
}

/** `/opt/valkey-9/valkey-server` is known by its folder, `/usr/bin/redis-server` and `docker:redis:8` by themselves. */
function nameOf(server) {
  const folder = basename(dirname(server));
  return server.startsWith("docker:") || /^s?bin$/.test(folder) ? server : folder;
}

const rows = [];
for (const server of servers) {
  console.log(`\n=== ${server}`);
  const { code, output } = await runTests(server);
  const totals = /^(\d+) passed, (\d+) failed$/m.exec(output);
  rows.push({ name: nameOf(server), passed: totals?.[1] ?? "0", failed: totals?.[2] ?? "?", ok: code === 0 });
}

const width = Math.max(...rows.map(({ name }) => name.length));
console.log(`\n${"server".padEnd(width)}  passed  failed`);
for (const { name, passed, failed } of rows) {
  console.log(`${name.padEnd(width)}  ${passed.padStart(6)}  ${failed.padStart(6)}`);
}
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;
