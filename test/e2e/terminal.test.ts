import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BinRun, bin, PROGRAM } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { scratchDir } from "../support/worker.ts";

const hasScript = spawnSync("script", ["--version"]).status === 0;

/** Runs a shell command on a terminal of its own, which script makes with 0 columns and rows. */
function onTerminal(command: string): readonly [string, string, ...string[]] {
  return ["script", "-qfc", command, "/dev/null"];
}

describe.skipIf(!hasScript)("on a terminal (needs script from util-linux)", () => {
  test("that says 0 × 0 tables are those of 80 columns", async () => {
    const key = uniqueKey();
    await rawRedis().xadd(key, "1-1", "n", "1");
    const { stdout } = await bin([], { program: onTerminal(`${PROGRAM.join(" ")} ls ${key}`) });
    expect(stdout).toContain(key);
    expect(stdout).toContain("STREAM");
  });

  test("that goes away a worker stops cleanly", async () => {
    const stream = uniqueKey();
    const dir = await scratchDir();
    const worker = `${PROGRAM.join(" ")} consume ${stream} -g g --create-group --exec true`;
    const log = join(dir, "log");
    const run = new BinRun([], { program: onTerminal(`exec ${worker} 2>${log}`), stdin: { open: true } });
    const said = (): Promise<string> => readFile(log, "utf8").catch(() => "");
    await until("it works", async () => (await said()).includes("made group"));
    run.signal("SIGKILL");
    await run.untilGone();
    // Node itself would end in an assertion and its stack.
    expect(await said()).toMatch(/stopping at SIGHUP: .*\n.* 0 ok, 0 dead-lettered, 0 retried in .*\n$/);
  });
});
