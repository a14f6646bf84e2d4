import { mkdtemp, readdir, rm } from "node:fs/promises";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { PipePool } from "../../../src/engine/worker/pipe-pool.ts";
import { Shortage } from "../../../src/engine/worker/shortage.ts";

/** The processes that this one has started and that live. */
function children(): number[] {
  return readdirSync("/proc/self/task").flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, "latin1").split(" ").filter(Boolean).map(Number),
  );
}

test("a shell that is killed before it has made pipes is a shortage, not a command that was not found", async ({
  skip,
}) => {
  skip(process.platform !== "linux", "it reads /proc");
  const folder = await mkdtemp(join(tmpdir(), "pipes-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const pool = new PipePool({ env: process.env, scratchDirs: [folder], pid: process.pid });
  onTestFinished(() => pool.close());
  const before = new Set(children());
  const taken = pool.take(1);
  // It is started by now, and has made nothing yet.
  for (const pid of children()) if (!before.has(pid)) process.kill(pid, "SIGKILL");
  await expect(taken).rejects.toThrow(Shortage);
  expect(await readdir(folder)).toEqual([]);
  // What was killed once need not be killed again.
  expect(await pool.take(1)).toHaveLength(1);
});
