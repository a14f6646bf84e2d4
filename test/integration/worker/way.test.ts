import { existsSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { ROOT } from "../../support/build.ts";
import { uniqueKey } from "../../support/cli.ts";
import { declares, lifeOfAnEntry, sourceFiles } from "../../support/design.ts";
import { rawRedis } from "../../support/redis.ts";
import { drain, fill } from "../../support/worker.ts";

const ENTRIES = 60;
/** Acks may go several together. */
const SOME = ENTRIES / 6;

/** How often each function of src was called while `work` went on: counts by name, by path from src. */
async function callsDuring(work: () => Promise<unknown>): Promise<Map<string, Map<string, number>>> {
  const session = new Session();
  session.connect();
  onTestFinished(() => session.disconnect());
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  await work();
  const { result } = await session.post("Profiler.takePreciseCoverage");
  const src = pathToFileURL(join(ROOT, "src/")).href;
  const files = new Map<string, Map<string, number>>();
  for (const { url, functions } of result) {
    const path = url.startsWith(src) ? url.slice(src.length) : url.split("/src/")[1];
    if (path === undefined || url.includes("node_modules")) continue;
    const counts = files.get(path) ?? new Map<string, number>();
    files.set(path, counts);
    for (const { functionName, ranges } of functions) {
      const count = ranges[0]?.count ?? 0;
      const name = functionName.replace(/^(get )?#?/, "");
      if (name !== "" && count > 0) counts.set(name, (counts.get(name) ?? 0) + count);
    }
  }
  return files;
}

test("an entry passes the functions that docs/design.md tells of, and no other file of the engine", async ({
  skip,
}) => {
  skip(!existsSync("/proc/self/fd"), "without /proc there are no waiting shells on the way");
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, ENTRIES);
  const calls = await callsDuring(() => drain(stream, "true", ["-j", "1", "--claim-idle", "60s"]));
  const steps = await lifeOfAnEntry();
  const missed = steps.flatMap(({ path, passes }) =>
    passes
      .filter((name) => (calls.get(path)?.get(name.split(".").at(-1) ?? "") ?? 0) < SOME)
      .map((name) => `${path} ${name}`),
  );
  expect(missed).toEqual([]);

  const files = await sourceFiles();
  const asked = steps.flatMap(({ asks }) => asks);
  // The loop is around it all.
  const named = new Set(["engine/worker/worker.ts", ...steps.map(({ path }) => path)]);
  for (const [path, source] of files) if (asked.some((name) => declares(source, name))) named.add(path);
  const passed = [...calls]
    .filter(([, counts]) => Math.max(...counts.values()) >= ENTRIES)
    .map(([path]) => path);
  expect(passed.filter((path) => /^(engine|redis\/ops)\//.test(path) && !named.has(path))).toEqual([]);
});
