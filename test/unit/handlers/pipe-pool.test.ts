import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Shortage } from "../../../src/engine/handlers/outcome.ts";
import { PipePool } from "../../../src/engine/handlers/pipe-pool.ts";

test.each([
  ["before it has made", ""],
  ["when it has made", 'mkfifo "$@"'],
])("a shell that is killed %s pipes is a shortage, not a command that was not found", async (_when, make) => {
  if (process.platform !== "linux") return console.log("not run: pipes without names need /proc");
  const folder = await mkdtemp(join(tmpdir(), "pipes-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [bin, scratch] = [join(folder, "bin"), join(folder, "scratch")];
  await mkdir(bin);
  await mkdir(scratch);
  const mkfifo = `#!/bin/sh\nexport PATH="$REAL"\n${make}\nkill -KILL $PPID\n`;
  await writeFile(join(bin, "mkfifo"), mkfifo, { mode: 0o755 });
  const { PATH } = process.env;
  const env = { PATH: `${bin}:${PATH}`, REAL: PATH };
  const pool = new PipePool({ env, scratchDirs: [scratch], pid: process.pid });
  onTestFinished(() => pool.close());
  await expect(pool.take(1)).rejects.toThrow(Shortage);
  expect(await readdir(scratch)).toEqual([]);
  // What was killed once need not be killed again.
  await rm(join(bin, "mkfifo"));
  expect(await pool.take(1)).toHaveLength(1);
});
