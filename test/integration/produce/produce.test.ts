import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { cli, CliRun, ndjson, openStdin, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { entriesOf, numbered, numbers, summaryOf, valuesOf } from "./support.ts";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "streamctl-produce-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

describe("one entry from arguments", () => {
  test("prints the ID it got, and nothing else", async () => {
    const key = uniqueKey();
    const { code, stdout, stderr } = await cli(["produce", key, "orderId=42", "note=a=b", "empty="]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    expect(await entriesOf(rawRedis(), key)).toEqual([
      [stdout.trim(), "orderId", "42", "note", "a=b", "empty", ""],
    ]);
  });

  test("does not touch stdin, which a loop around it may be reading", async () => {
    const stdin = openStdin();
    stdin.write("someone else's line\n");
    expect((await cli(["produce", uniqueKey(), "a=1"], { stdin })).code).toBe(0);
    expect(String(stdin.read())).toBe("someone else's line\n");
  });

  test("with -o json the ID is a JSON object", async () => {
    const key = uniqueKey();
    const { stdout } = await cli(["produce", key, "a=1", "--id", "5-1", "-o", "json"]);
    expect(ndjson(stdout)).toEqual([{ stream: key, id: "5-1" }]);
  });

  test("a stream name with a glob character is just a name", async () => {
    const key = uniqueKey("odd*?[x]");
    expect((await cli(["produce", key, "a=1"])).code).toBe(0);
    expect(await rawRedis().xlen(key)).toBe(1);
  });
});

describe("entries from stdin or a file", () => {
  test("NDJSON: order, exact text and bytes of every field arrive", async () => {
    const key = uniqueKey();
    const lines = [
      String.raw`{"10":"x","9":12345678901234567890,"__proto__":{"a" :1.10},"s":"\u00e9\n\ud83d\ude00","s":null}`,
      '{"":"","b":1e400}',
    ];
    const { code, stdout, stderr } = await cli(["produce", key], { stdin: `${lines.join("\n")}\n` });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toContain(`2 entries in ${key}`);
    expect((await entriesOf(rawRedis(), key)).map((entry) => entry.slice(1))).toEqual([
      ["10", "x", "9", "12345678901234567890", "__proto__", '{"a" :1.10}', "s", "é\n😀", "s", "null"],
      ["", "", "b", "1e400"],
    ]);
  });

  test("a file of more than one batch arrives whole and in order; -q says nothing", async () => {
    const key = uniqueKey();
    const file = join(await folder(), "in.ndjson");
    await writeFile(file, numbered(1, 20_000));
    expect(await cli(["produce", key, "--file", file, "-q"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(await valuesOf(rawRedis(), key)).toEqual(numbers(1, 20_000));
  });

  test("lines, CSV and TSV", async () => {
    const redis = rawRedis();
    const [lines, csv, tsv] = [uniqueKey(), uniqueKey(), uniqueKey()];
    await cli(["produce", lines, "--input", "lines", "--field", "line"], {
      stdin: Buffer.from("a\xff\r\n\nb", "latin1"),
    });
    await cli(["produce", csv, "--input", "csv"], { stdin: 'id,note\n1,"a, ""b"""\n' });
    await cli(["produce", tsv, "--input", "tsv"], { stdin: 'id\tnote\n1\t"x\n' });
    const [[, first] = []] = await redis.xrangeBuffer(lines, "-", "+");
    expect(first?.map((field) => field.toString("latin1"))).toEqual(["line", "a\xff\r"]);
    expect(await redis.xlen(lines)).toBe(2);
    expect((await entriesOf(redis, csv))[0]?.slice(1)).toEqual(["id", "1", "note", 'a, "b"']);
    expect((await entriesOf(redis, tsv))[0]?.slice(1)).toEqual(["id", "1", "note", '"x']);
  });

  test("what consume prints, produce puts back with its IDs: binary, repeated and empty names too", async () => {
    const redis = rawRedis();
    const [from, to] = [uniqueKey(), uniqueKey()];
    await redis.xadd(from, "5-1", Buffer.from([0xff]), Buffer.from([0, 0xfe]), "a", "1", "a", "2", "", "");
    await redis.xadd(from, "5-2", "10", "x", "9", '{"a":1}\n');
    const { stdout } = await cli(["consume", from]);
    const again = await cli(["produce", to, "--input", "entries", "--keep-id"], { stdin: stdout });
    expect(again.code).toBe(0);
    expect(await redis.xrangeBuffer(to, "-", "+")).toEqual(await redis.xrangeBuffer(from, "-", "+"));
  });

  test("entries are sent as they come, and not when the input ends", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const stdin = openStdin();
    const run = new CliRun(["produce", key], { stdin });
    stdin.write('{"n":"1"}\n{"n":');
    await until("the first line is in Redis", async () => (await redis.xlen(key)) === 1);
    stdin.end('"2"}');
    expect((await run.done).code).toBe(0);
    expect(await valuesOf(redis, key)).toEqual(["1", "2"]);
  });

  test("--ids prints the ID of every entry in order", async () => {
    const key = uniqueKey();
    const { stdout } = await cli(["produce", key, "--ids"], { stdin: numbered(1, 5_000) });
    const ids = (await entriesOf(rawRedis(), key)).map(([id]) => id);
    expect(stdout.trimEnd().split("\n")).toEqual(ids);
  });

  test("an empty input writes nothing and is no error", async () => {
    const key = uniqueKey();
    const result = await cli(["produce", key, "-o", "json"], { stdin: "\n\n" });
    expect(result.code).toBe(0);
    expect(summaryOf(result)).toMatchObject({ inRedis: 0, lastLine: 2, complete: true });
    expect(await rawRedis().exists(key)).toBe(0);
  });

  test("on a terminal it says what it waits for", async () => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const run = new CliRun(["produce", uniqueKey()], { stdin });
    await until("it says so", () => run.stderr.includes("reading ndjson from the terminal"));
    stdin.end();
    expect((await run.done).code).toBe(0);
  });

  test.each([
    ["a file that is not there", ["--file", "/dev/null/x"], /can't read --file: ENOTDIR/],
    ["a folder", ["--file", "/"], /can't read --file: \/ is a directory/],
    ["rejects that can't be written", ["--rejects", "/dev/null/x"], /can't write --rejects: ENOTDIR/],
  ])("%s is a usage error", async (_, args, message) => {
    const { code, stderr } = await cli(["produce", uniqueKey(), ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe("bad lines", () => {
  test("the first one stops the run; what is before it is in Redis, and --skip-lines goes on", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const result = await cli(["produce", key], { stdin: `${numbered(1, 3)}{"n":oops}\n${numbered(5, 6)}` });
    expect(result.code).toBe(5);
    expect(result.stderr).toContain("error: line 4, column 6: expected a value");
    expect(result.stderr).toContain("every line up to 3 is done; resume with --skip-lines 3");
    expect(await valuesOf(redis, key)).toEqual(["1", "2", "3"]);
    const mended = await cli(["produce", key, "--skip-lines", "3"], { stdin: numbered(1, 6) });
    expect(mended.code).toBe(0);
    expect(await valuesOf(redis, key)).toEqual(numbers(1, 6));
  });

  test("with skip the others arrive, each bad one is named and kept as it was", async () => {
    const key = uniqueKey();
    const file = join(await folder(), "bad.ndjson");
    await writeFile(file, "from an earlier run\n");
    const stdin = Buffer.from('{"n":"1"}\n{"n":"\xff"}\n{"n":"3"}\nrubbish \n{"n":"5"}\n{"n":', "latin1");
    const result = await cli(["produce", key, "--rejects", file, "-o", "json"], { stdin });
    expect(result.code).toBe(5);
    expect(summaryOf(result)).toMatchObject({ inRedis: 3, rejected: 3, lastLine: 6, complete: true });
    expect(result.stderr).toMatch(/line 2, column 7: not UTF-8\n.*line 4, column 1: .*\n.*line 6 is cut off/);
    expect(await valuesOf(rawRedis(), key)).toEqual(["1", "3", "5"]);
    expect((await readFile(file)).toString("latin1")).toBe(
      'from an earlier run\n{"n":"\xff"}\nrubbish \n{"n":\n',
    );
  });

  test.each([
    ["csv", ","],
    ["tsv", "\t"],
  ])(
    "rejects of %s begin with the header, once, so that they can be mended and read again",
    async (form, tab) => {
      const file = join(await folder(), "bad");
      const row = (...cells: string[]): string => `${cells.join(tab)}\n`;
      const argv = ["produce", uniqueKey(), "--input", form, "--on-error", "skip", "--rejects", file];
      await cli(argv, { stdin: row("n", "note") + row("1", "ok") + row("2") + row("3", "x", "y") });
      expect(await readFile(file, "utf8")).toBe(row("n", "note") + row("2") + row("3", "x", "y"));
      await cli(argv, { stdin: row("n", "note") + row("4") });
      expect(await readFile(file, "utf8")).toBe(row("n", "note") + row("2") + row("3", "x", "y") + row("4"));
    },
  );

  test("thousands of them do not flood the terminal, but are counted", async () => {
    const stdin = "x\n".repeat(3_000);
    const result = await cli(["produce", uniqueKey(), "--on-error", "skip", "-o", "json"], { stdin });
    expect(summaryOf(result)).toMatchObject({ inRedis: 0, rejected: 3_000, lastLine: 3_000 });
    expect(result.stderr.split("\n").length).toBeLessThan(110);
    expect(result.stderr).toContain("further bad lines are only counted");
  });

  test("a truncated last line is reported as exactly that", async () => {
    const { code, stderr } = await cli(["produce", uniqueKey()], { stdin: '{"n":"1"}\n{"n":"2' });
    expect(code).toBe(5);
    expect(stderr).toContain("line 2 is cut off: the input ends without a newline in the middle of it");
    expect(stderr).toContain("1 entry in");
  });
});

describe("IDs of their own", () => {
  test("a repeated run finds everything there and changes nothing", async () => {
    const key = uniqueKey();
    const stdin = Array.from({ length: 3_000 }, (_, i) => `{"id":"7-${i + 1}","n":${i}}\n`).join("");
    const first = await cli(["produce", key, "--id-field", "id", "-o", "json"], { stdin });
    expect(summaryOf(first)).toMatchObject({ inRedis: 3_000, alreadyThere: 0 });
    const again = await cli(["produce", key, "--id-field", "id", "-o", "json", "--ids"], { stdin });
    expect(again.code).toBe(0);
    expect(summaryOf(again)).toMatchObject({
      inRedis: 3_000,
      alreadyThere: 3_000,
      rejected: 0,
      lastLine: 3_000,
    });
    expect(ndjson(again.stdout).map(({ id }) => id)).toEqual(
      Array.from({ length: 3_000 }, (_, i) => `7-${i + 1}`),
    );
    expect(await rawRedis().xlen(key)).toBe(3_000);
  });

  test("an ID that holds other fields, or lies below the last one, is rejected and kept with its line", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    await redis.xadd(key, "5-1", "id", "5-1", "n", "other");
    await redis.xadd(key, "9-1", "id", "9-1", "n", "top");
    const file = join(await folder(), "bad.ndjson");
    const lines = [
      '{"id":"5-1","n":"mine"}',
      '{"id":"6-1","n":"late"}',
      '{"id":"9-1","n":"top"}',
      '{"id":"10-1","n":"new"}',
    ];
    const result = await cli(["produce", key, "--id-field", "id", "--rejects", file, "-o", "json"], {
      stdin: lines.join("\n"),
    });
    expect(result.code).toBe(5);
    expect(summaryOf(result)).toMatchObject({ inRedis: 2, alreadyThere: 1, rejected: 2, lastLine: 4 });
    expect(result.stderr).toContain(`line 1: 5-1 is in ${key} with other fields`);
    expect(result.stderr).toContain(`line 2: 6-1 is below the last ID of ${key}, and not there`);
    expect(await readFile(file, "utf8")).toBe(`${lines[0]}\n${lines[1]}\n`);
    expect((await entriesOf(redis, key)).map(([id]) => id)).toEqual(["5-1", "9-1", "10-1"]);
  });

  test("when the run stops at such a line, lines after it that got in are named", async () => {
    const key = uniqueKey();
    await rawRedis().xadd(key, "5-1", "id", "5-1", "n", "other");
    const result = await cli(["produce", key, "--id-field", "id", "-o", "json"], {
      stdin: '{"id":"5-1","n":"mine"}\n{"id":"6-1"}\n{"id":"7-1"}\n',
    });
    expect(result.code).toBe(5);
    expect(summaryOf(result)).toMatchObject({
      inRedis: 2,
      rejected: 1,
      lastLine: 0,
      laterLines: [[2, 3]],
      complete: false,
    });
  });

  test.each([
    ["no such field", '{"a":"1"}', "there is no field id to take the ID from"],
    ["not an ID", '{"id":"abc"}', "id is not an entry ID like 1694012345678-0: abc"],
    ["the impossible ID", '{"id":"0-0"}', "0-0 is not a possible ID"],
  ])("%s makes a line bad", async (_, stdin, message) => {
    const { code, stderr } = await cli(["produce", uniqueKey(), "--id-field", "id"], { stdin });
    expect(code).toBe(5);
    expect(stderr).toContain(`line 1: ${message}`);
  });

  test("--keep-id wants IDs", async () => {
    const { code, stderr } = await cli(["produce", uniqueKey(), "--input", "entries", "--keep-id"], {
      stdin: '{"fields":{"a":"1"}}',
    });
    expect(code).toBe(5);
    expect(stderr).toContain('--keep-id, but there is no "id"');
  });
});

describe("the stream", () => {
  test("--maxlen --exact keeps the last entries", async () => {
    const key = uniqueKey();
    await cli(["produce", key, "--maxlen", "3", "--exact"], { stdin: numbered(1, 10) });
    expect(await valuesOf(rawRedis(), key)).toEqual(["8", "9", "10"]);
  });

  test("--rate sends everything all the same", async () => {
    const key = uniqueKey();
    const { code } = await cli(["produce", key, "--rate", "2k/s"], { stdin: numbered(1, 300) });
    expect(code).toBe(0);
    expect(await valuesOf(rawRedis(), key)).toEqual(numbers(1, 300));
  });

  test("Ctrl-C: what was read is in Redis, the summary is true, the code is the signal's", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const stdin = openStdin();
    const run = new CliRun(["produce", key, "-o", "json"], { stdin });
    stdin.write(numbered(1, 3));
    await until("they are in Redis", async () => (await redis.xlen(key)) === 3);
    run.signal("SIGINT");
    const result = await run.done;
    expect(result.code).toBe(130);
    expect(summaryOf(result)).toMatchObject({ inRedis: 3, lastLine: 3, complete: false, error: null });
  });

  test("Ctrl-C before a resumed run got to its first line: the lines to skip still count as done", async () => {
    const stdin = openStdin();
    const run = new CliRun(["produce", uniqueKey(), "--skip-lines", "100", "-o", "json"], { stdin });
    stdin.write(numbered(1, 3));
    await until("it has read them", () => stdin.readableLength === 0);
    run.signal("SIGINT");
    expect(summaryOf(await run.done)).toMatchObject({ inRedis: 0, lastLine: 100, complete: false });
  });

  test("Ctrl-C in the middle of a paced run counts exactly what got in", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const run = new CliRun(["produce", key, "-o", "json", "--rate", "50/s"], { stdin: numbered(1, 5_000) });
    await until("some are in Redis", async () => (await redis.xlen(key)) > 3);
    run.signal("SIGINT");
    const result = await run.done;
    expect(result.code).toBe(130);
    const length = await redis.xlen(key);
    expect(summaryOf(result)).toMatchObject({ inRedis: length, lastLine: length, complete: false });
  });
});

test("nothing is drawn over what is being typed", async () => {
  const stdin = Object.assign(openStdin(), { isTTY: true });
  const run = new CliRun(["produce", uniqueKey()], { stdin, columns: 80 });
  await until("it asks for lines", () => run.stderr.includes("end with Ctrl-D"));
  stdin.write('{"n":"1"}\n');
  // Progress is shown after half a second.
  await sleep(800);
  stdin.end();
  const { code, stderr } = await run.done;
  expect(code).toBe(0);
  expect(stderr).not.toContain("\u001b");
});
