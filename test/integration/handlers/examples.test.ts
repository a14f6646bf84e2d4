import { execFileSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../../support/build.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { deadLetters, pendingIn, workerArgv } from "../../support/worker.ts";

const FOLDER = join(ROOT, "examples/handlers");

const PROGRAMS: Readonly<Record<string, string>> = { sh: "sh", py: "python3", mjs: process.execPath };

const MANNERS: Readonly<Record<string, readonly string[]>> = {
  single: [],
  batch: ["--batch", "10", "--batch-wait", "50ms"],
  persistent: ["--persistent"],
};

function isThere(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return program === "sh";
  }
}

describe("examples/handlers", async () => {
  const files = (await readdir(FOLDER)).toSorted();

  test("are there in each language for each way of being run", () => {
    const expected = Object.keys(PROGRAMS).flatMap((kind) =>
      Object.keys(MANNERS).map((name) => `${name}.${kind}`),
    );
    expect(files).toEqual(expected.toSorted());
  });

  test.each(files)("%s bills, dead-letters and asks for a retry in its own words", async (file) => {
    const [name = "", kind = ""] = file.split(".");
    const program = PROGRAMS[kind] as string;
    if (!isThere(program)) {
      console.warn(`skipped ${file}: there is no ${program} on this machine`);
      return;
    }
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids: string[] = [];
    for (const card of ["ok", "declined", "busy"])
      ids.push((await redis.xadd(stream, "*", "card", card)) as string);
    const emit = name === "persistent" ? ["--emit", `${stream}:billed`] : [];
    const argv = workerArgv(stream, "", "--until-empty", ...(MANNERS[name] ?? []), ...emit).slice(0, -2);
    const result = await cli([...argv, "--", program, join(FOLDER, file)]);
    expect(result.stderr).toContain("2 ok, 1 dead-lettered, 1 retried");
    expect(result.stderr).toContain("failed (the bank asks us to wait), delivery 1 of 5: retry in 100ms");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { card: "declined", "dlq.reason": "the card was declined" },
    ]);
    const emitted = (await redis.xrange(`${stream}:billed`, "-", "+")).map(([, fields]) => fields[1]);
    const billed = emit.length > 0 ? emitted : result.stdout.trim().split("\n");
    expect(billed).toEqual([ids[0], ids[2]].map((id) => `billed ${id}`));
    expect(await pendingIn(redis, stream)).toBe(0);
  });
});
