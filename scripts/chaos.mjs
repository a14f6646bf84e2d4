// npm run chaos [-- --seed N --entries N --minutes N --delay MS]: the chaos test at length; with --delay, workers are
// so far from Redis, each way. Prints its seed, with which the
// same faults are planned again; with --minutes it goes on with one seed after the other until the time is up.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    entries: { type: "string", default: "20000" },
    minutes: { type: "string", default: "0" },
    delay: { type: "string", default: "0" },
  },
});
const [seed, entries, minutes, delay] = [values.seed, values.entries, values.minutes, values.delay].map(
  Number,
);
if (![seed, entries, delay].every(Number.isInteger) || !(minutes >= 0)) {
  console.error("chaos: --seed, --entries and --delay take whole numbers, --minutes a number");
  process.exit(2);
}

const root = new URL("..", import.meta.url).pathname;
const end = Date.now() + minutes * 60_000;
let next = seed;
do {
  console.log(
    `chaos: seed ${next}, ${entries} entries; again with: npm run chaos -- --seed ${next} --entries ${entries}`,
  );
  const env = {
    ...process.env,
    CHAOS_SEED: String(next),
    CHAOS_ENTRIES: String(entries),
    CHAOS_DELAY: String(delay),
  };
  const args = ["vitest", "run", "--project", "e2e", "test/e2e/chaos.test.ts"];
  const { status } = spawnSync("npx", args, { cwd: root, stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
  next++;
} while (Date.now() < end);
