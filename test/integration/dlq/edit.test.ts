import { existsSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { textFields } from "../../../src/entry/entry.ts";
import { cli, CliRun } from "../../support/cli.ts";
import { keyboard, press } from "../../support/keyboard.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { scratchDir } from "../../support/worker.ts";
import { deadStream, fieldsIn, longQueue, numbersIn } from "./support.ts";

/** An editor that runs this shell text with the file's name as $1. */
async function editor(text: string): Promise<{ env: Record<string, string> }> {
  const path = join(await scratchDir(), "my editor");
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return { env: { EDITOR: `'${path}' --wait` } };
}

describe("dlq replay --edit", () => {
  test("an entry that is saved as it was keeps every byte", async () => {
    const redis = rawRedis();
    const awkward = [
      [
        Buffer.from([0xff]),
        Buffer.from([0x00, 0x0a]),
        ...textFields([
          ["a", "1"],
          ["a", 'x"\\\n'],
          ["", ""],
        ]),
      ],
      textFields([
        ["10", "\u2028é"],
        ["2", "{}"],
        ["__proto__", " "],
      ]),
    ];
    const { stream } = await deadStream(
      redis,
      awkward.map((fields) => ({ fields })),
    );
    const result = await cli(["dlq", "replay", stream, "--all", "--edit"], await editor("true"));
    expect(result).toMatchObject({ code: 0 });
    expect(await fieldsIn(redis, stream)).toEqual(awkward);
  });

  test("what was changed is replayed as changed", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [
      {
        fields: textFields([
          ["amount", "1O"],
          ["b", "2"],
        ]),
      },
    ]);
    const id = (await redis.xrange(dlq, "-", "+"))[0]?.[0] as string;
    const change = await editor(`shift; sed -i 's/1O/10/' "$1"`);
    expect((await cli(["dlq", "replay", stream, id, "--edit"], change)).code).toBe(0);
    expect(await fieldsIn(redis, stream)).toEqual([
      textFields([
        ["amount", "10"],
        ["b", "2"],
      ]),
    ]);
  });

  test.each([
    ["not JSON", `shift; echo '{"fields": {"a": "1"' > "$1"`, 2],
    ["no field left", `shift; echo '{"fields": {}}' > "$1"`, 2],
    ["a number as a value", `shift; echo '{"fields": {"a": 1}}' > "$1"`, 2],
    ["an empty file", `shift; : > "$1"`, 2],
    ["an editor that fails", "exit 3", 1],
  ])("%s: refused, and nothing is replayed", async (_, script, code) => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}]);
    const result = await cli(["dlq", "replay", stream, "--all", "--edit"], await editor(script));
    expect(result.code).toBe(code);
    expect(result.stderr).toContain("replayed");
    expect([await redis.xlen(stream), await redis.xlen(dlq)]).toEqual([1, 1]);
  });
});

describe("dlq replay --edit on a terminal", () => {
  test("what is no entry is offered again as it was left, until it is one", async () => {
    const redis = rawRedis();
    const { stream } = await deadStream(redis, [{ fields: textFields([["a", "1"]]) }]);
    // The first time it spoils the text, the second time it repairs what it finds.
    const { env } = await editor(
      `sleep 1; shift; if grep -q oops "$1"; then sed -i s/oops// "$1"; else echo oops >> "$1"; fi`,
    );
    const stdin = keyboard();
    const run = new CliRun(["dlq", "replay", stream, "--all", "--edit"], { stdin, env, columns: 80 });
    await until("it asks", () => run.stderr.includes("Edit it again?"));
    expect(run.stderr).toContain("was edited into something that is no entry: line 6, column 1");
    expect(run.stderr, "no progress over the editor").not.toContain("replaying");
    await press(stdin, "\r");
    expect((await run.done).code).toBe(0);
    expect(await fieldsIn(redis, stream)).toEqual([textFields([["a", "1"]])]);
  });

  test("whoever does not edit it again has replayed nothing", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}]);
    const { env } = await editor(`shift; echo oops >> "$1"`);
    const stdin = keyboard();
    const run = new CliRun(["dlq", "replay", stream, "--all", "--edit"], { stdin, env, columns: 80 });
    await until("it asks", () => run.stderr.includes("Edit it again?"));
    await press(stdin, "n", "\r");
    expect((await run.done).code).toBe(2);
    expect([await redis.xlen(stream), await redis.xlen(dlq)]).toEqual([1, 1]);
  });

  test("Ctrl-C is the editor's while it has the terminal", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}]);
    const folder = await scratchDir();
    const { env } = await editor(`touch ${folder}/open; while [ ! -e ${folder}/close ]; do sleep 0.02; done`);
    const run = new CliRun(["dlq", "replay", stream, "--all", "--edit"], { env });
    await until("it is open", () => existsSync(join(folder, "open")));
    run.signal("SIGINT");
    run.signal("SIGINT");
    await writeFile(join(folder, "close"), "");
    expect((await run.done).code).toBe(0);
    expect([await redis.xlen(stream), await redis.xlen(dlq)]).toEqual([2, 0]);
  });
});

describe("choosing on a terminal", () => {
  test("ticks among thousands of rows, newest first, and replays what was ticked", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, []);
    await longQueue(redis, 5_000, { stream, dlq });
    const stdin = keyboard();
    const run = new CliRun(["dlq", "replay", stream], { stdin, columns: 80 });
    await until("it asks what to show", () => run.stderr.includes("5000 letters: only those with this text"));
    await press(stdin, "\r");
    await until("it asks", () => run.stderr.includes("4999"));
    await press(stdin, " ", "\u001b[B", "\u001b[B", " ", "\r");
    expect((await run.done).code).toBe(0);
    expect(await numbersIn(redis, stream)).toEqual([4_997, 4_999]);
    expect(await redis.xlen(dlq)).toBe(4_998);
  });

  test("a text shows only the rows that have it, whatever was typed before", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, []);
    await longQueue(redis, 1_000, { stream, dlq });
    const stdin = keyboard();
    const run = new CliRun(["dlq", "replay", stream], { stdin, columns: 80 });
    await until("it asks what to show", () => run.stderr.includes("1000 letters"));
    await press(stdin, "nowhere", "\r");
    await until("it says that there is none", () => run.stderr.includes('none of them has "nowhere"'));
    await press(stdin, "n=77", "\r");
    await until("it asks", () => run.stderr.includes("n=779"));
    await press(stdin, "a", "\r");
    expect((await run.done).code).toBe(0);
    expect(await numbersIn(redis, stream)).toEqual([77, ...Array.from({ length: 10 }, (_, n) => 770 + n)]);
  });

  test("Ctrl-C at a prompt ends with 130 and changes nothing", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, {}]);
    for (const [argv, question] of [
      [["dlq", "replay", stream], "Replay which?"],
      [["dlq", "purge", stream, "--all"], "Delete 2 dead letters"],
    ] as const) {
      const stdin = keyboard();
      const run = new CliRun(argv, { stdin, columns: 80 });
      await until("it asks", () => run.stderr.includes(question));
      await press(stdin, "\u0003");
      const { code, stderr } = await run.done;
      expect(code).toBe(130);
      expect(stderr).not.toContain("bug");
    }
    expect(await redis.xlen(dlq)).toBe(2);
  });
});
