import { existsSync } from "node:fs";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { textFields } from "../../../src/entry/entry.ts";
import { cli, CliRun } from "../../support/cli.ts";
import { keyboard, press } from "../../support/keyboard.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { scratchDir } from "../../support/worker.ts";
import { deadStream, fieldsIn, letterRecord, longQueue, numbersIn } from "./support.ts";

const [ONE, BRACES, BRACKETS] = ["1", "{}", "[]"].map((text) => Buffer.from(text)) as [
  Buffer,
  Buffer,
  Buffer,
];

/** An editor that runs this shell text with the file's name as $1. */
async function editor(text: string): Promise<{ env: Record<string, string> }> {
  const path = join(await scratchDir(), "my editor");
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return { env: { EDITOR: `'${path}' --wait` } };
}

describe("dlq replay --edit", () => {
  test("what is not touched keeps every byte", async () => {
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
    const change = await editor(`shift; sed -i -e 's/"1"/"2"/' -e 's/{}/[]/' "$1"`);
    expect(await cli(["dlq", "replay", stream, "--all", "--edit"], change)).toMatchObject({ code: 0 });
    const edited = awkward.map((fields) =>
      fields.map((field) => (field.equals(ONE) ? Buffer.from("2") : field.equals(BRACES) ? BRACKETS : field)),
    );
    expect(await fieldsIn(redis, stream)).toEqual(edited);
  });

  test("left without a change is no: the letter stays, and the run says so", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, {}, {}]);
    const change = await editor(`shift; sed -i 's/"n": "1"/"n": "one"/' "$1"`);
    const { code, stderr } = await cli(["dlq", "replay", stream, "--all", "--edit"], change);
    expect(code).toBe(0);
    expect(stderr).toContain("replayed 1 entry");
    expect(stderr).toContain("2 left as the editor left them: unchanged");
    expect(await fieldsIn(redis, stream)).toEqual([textFields([["n", "one"]])]);
    expect(await numbersIn(redis, dlq)).toEqual([0, 2]);
  });

  test("the file says above the entry what is known of the failure, escaped", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [
      {
        stderr: Buffer.from("line 1\n\u001b[31mno stock\n"),
        fields: textFields([["url", "//not a comment"]]),
      },
    ]);
    const [[id] = []] = await redis.xrange(dlq, "-", "+");
    const copy = join(await scratchDir(), "copy");
    await cli(
      ["dlq", "replay", stream, "--all", "--edit"],
      await editor(`shift; cp "$1" '${copy}'; echo ' ' >> "$1"`),
    );
    expect(await readFile(copy, "utf8")).toBe(`// ${id} in ${dlq}
// was 1-0 in ${stream}
// failed in billing
// reason: exit 1
// stderr: line 1
// stderr: \\e[31mno stock
// Left unchanged, it is not replayed.
{
  "fields": {
    "url": "//not a comment"
  }
}
`);
    expect(await redis.xlen(dlq)).toBe(1);
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
      `sleep 1; shift; if grep -q oops "$1"; then sed -i -e s/oops// -e 's/"1"/"2"/' "$1"; else echo oops >> "$1"; fi`,
    );
    const stdin = keyboard();
    const run = new CliRun(["dlq", "replay", stream, "--all", "--edit"], { stdin, env, columns: 80 });
    await until("it asks", () => run.stderr.includes("Edit it again?"));
    expect(run.stderr).toContain("was edited into something that is no entry: line 12, column 1");
    expect(run.stderr, "no progress over the editor").not.toContain("replaying");
    await press(stdin, "\r");
    expect((await run.done).code).toBe(0);
    expect(await fieldsIn(redis, stream)).toEqual([textFields([["a", "2"]])]);
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
    const { env } = await editor(
      `touch ${folder}/open; while [ ! -e ${folder}/close ]; do sleep 0.02; done; shift; sed -i 's/"0"/"9"/' "$1"`,
    );
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
    await until("it asks", () => run.stderr.includes("Replay which of 5000 letters?"));
    await press(stdin, " ", "\u001b[B", "\u001b[B", " ", "\r");
    const { code, stderr } = await run.done;
    expect(code).toBe(0);
    expect(stderr).toContain("2 of 5000");
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

  test("a text is found whatever its case, in stderr and reason, too; columns stand under each other", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, []);
    for (let n = 0; n < 120; n++) {
      const stderr = Buffer.from(n % 40 === 7 ? "Trace\nOut of STOCK\n" : "boom\n");
      const reason = n === 47 ? "timeout 30s" : "exit 1";
      await redis.xadd(dlq, `${n + 1}-1`, ...letterRecord(stream, n, { stderr, reason }, new Date(0)));
    }
    const stdin = keyboard();
    const run = new CliRun(["dlq", "replay", stream], { stdin, columns: 160 });
    await until("it asks what to show", () => run.stderr.includes("only those with this text"));
    await press(stdin, "trace", "\r");
    await until("it asks", () => run.stderr.includes("Replay which of"));
    const rows = run.stderr.split("\n").filter((line) => line.includes("Out of STOCK"));
    expect(rows.length).toBeGreaterThan(1);
    expect(new Set(rows.map((row) => row.indexOf("Out of STOCK")))).toHaveProperty("size", 1);
    await press(stdin, "\u0003");
    expect((await run.done).code).toBe(130);
  });

  test("Ctrl-C at a prompt ends with 130 and changes nothing", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, {}]);
    for (const [argv, question] of [
      [["dlq", "replay", stream], "Replay which of 2 letters?"],
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
