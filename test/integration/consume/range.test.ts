import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { streamKey } from "../../../src/entry/names.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis } from "../../support/redis.ts";

const ids = (stdout: string): unknown[] => ndjson(stdout).map(({ id }) => id);

async function numbered(count: number, key = uniqueKey()): Promise<string> {
  const redis = rawRedis();
  const pipeline = redis.pipeline();
  for (let i = 1; i <= count; i++) pipeline.xadd(key, `${i}-1`, "n", String(i));
  await pipeline.exec();
  return key;
}

describe("consume prints a range", () => {
  test("every entry once and in order, also over many pages", async () => {
    const key = await numbered(2_500);
    const { code, stdout, stderr } = await cli(["consume", key]);
    expect(code).toBe(0);
    expect(ids(stdout)).toEqual(Array.from({ length: 2_500 }, (_, i) => `${i + 1}-1`));
    expect(stderr).toMatch(/printed 2.?500 entries/);
  });

  test.each([
    [
      ["--from", "3"],
      ["3-1", "4-1", "5-1"],
    ],
    [
      ["--from", "(3"],
      ["4-1", "5-1"],
    ],
    [["--from", "3-1", "--to", "(4-1"], ["3-1"]],
    [
      ["--to", "2"],
      ["1-1", "2-1"],
    ],
    [
      ["--from", "-", "--to", "+"],
      ["1-1", "2-1", "3-1", "4-1", "5-1"],
    ],
    [["--from", "+"], ["5-1"]],
    [["--from", "$"], []],
    [["--to", "$", "--from", "5"], ["5-1"]],
    [["--from", "4", "--to", "2"], []],
    [
      ["--count", "2"],
      ["1-1", "2-1"],
    ],
    [
      ["--reverse", "--count", "2"],
      ["5-1", "4-1"],
    ],
    [
      ["--reverse", "--from", "2", "--to", "3"],
      ["3-1", "2-1"],
    ],
    [
      ["--where", "n~[24]"],
      ["2-1", "4-1"],
    ],
    [
      ["--where", "n!=3", "--where", "n!~[12]"],
      ["4-1", "5-1"],
    ],
    [
      ["--where", "n!=1", "--count", "2"],
      ["2-1", "3-1"],
    ],
    [
      ["--to", "1970-01-01T00:00:00.002Z"],
      ["1-1", "2-1"],
    ],
  ])("%j", async (flags, expected) => {
    const key = await numbered(5);
    const { code, stdout } = await cli(["consume", key, ...flags]);
    expect(code).toBe(0);
    expect(ids(stdout)).toEqual(expected);
  });

  test("the summary says of how many a filter has let some through", async () => {
    const key = await numbered(5);
    for (const [condition, printed] of [
      ["n=9", 0],
      ["n~[24]", 2],
    ] as const) {
      const { stderr } = await cli(["consume", key, "--where", condition]);
      expect(stderr).toContain(`printed ${printed} of the 5 entries looked at`);
      const json = await cli(["consume", key, "--where", condition, "-o", "json"]);
      expect(JSON.parse(json.stderr)).toMatchObject({ entries: printed, lookedAt: 5 });
    }
  });

  test("reversed over many pages", async () => {
    const key = await numbered(1_700);
    const { stdout } = await cli(["consume", key, "--reverse"]);
    expect(ids(stdout)).toEqual(Array.from({ length: 1_700 }, (_, i) => `${1_700 - i}-1`));
  });

  test("an age is counted by the server's clock", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const [seconds] = await redis.time();
    await redis.xadd(key, `${(Number(seconds) - 3_600) * 1_000}-0`, "n", "old");
    await redis.xadd(key, `${Number(seconds) * 1_000}-0`, "n", "new");
    const { stdout } = await cli(["consume", key, "--from", "15m"]);
    expect(ndjson(stdout)).toMatchObject([{ fields: { n: "new" } }]);
    const { stdout: before } = await cli(["consume", key, "--to", "15m"]);
    expect(ndjson(before)).toMatchObject([{ fields: { n: "old" } }]);
  });

  test("a stream that grows faster than it is printed does not keep it going", async () => {
    const redis = rawRedis();
    const key = await numbered(30);
    // Each page that is printed adds an entry.
    let pages = 0;
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        pages++;
        void redis.xadd(key, "*", "n", "late").finally(done);
      },
    });
    const { code, stderr } = await cli(["consume", key], { stdout });
    expect(code).toBe(0);
    expect(pages).toBeGreaterThan(1);
    expect(stderr).toContain("printed 30 entries");
  });

  test("several streams and patterns, one after the other; --count is over all", async () => {
    const base = uniqueKey();
    await numbered(2, streamKey(`${base}:b`));
    await numbered(2, streamKey(`${base}:a`));
    const all = await cli(["consume", `${base}:*`]);
    expect(ndjson(all.stdout).map(({ stream, id }) => `${String(stream)} ${String(id)}`)).toEqual([
      `${base}:a 1-1`,
      `${base}:a 2-1`,
      `${base}:b 1-1`,
      `${base}:b 2-1`,
    ]);
    const three = await cli(["consume", `${base}:b`, `${base}:a`, "--count", "3"]);
    expect(ndjson(three.stdout).map(({ stream }) => stream)).toEqual([`${base}:b`, `${base}:b`, `${base}:a`]);
  });

  test("a lost connection is made again and nothing is printed twice or left out", async () => {
    const key = await numbered(3_000);
    const proxy = await Proxy.start();
    let text = "";
    let cuts = 0;
    const stdout = new Writable({
      write(chunk: Buffer, _encoding, done) {
        text += chunk.toString();
        if (cuts++ < 2) proxy.cut();
        setTimeout(done, 20);
      },
    });
    const { code, stderr } = await cli(["consume", key], { url: proxy.url, stdout });
    expect(stderr).toMatch(/trying to get it back/);
    expect(code).toBe(0);
    expect(ids(text)).toEqual(Array.from({ length: 3_000 }, (_, i) => `${i + 1}-1`));
  });

  test.each([[[]], [["--reverse"]]])(
    "far from the server pages are under way together: nothing is left out or printed twice, over an outage, too, %j",
    async (flags) => {
      const key = await numbered(15_000);
      const proxy = await Proxy.start();
      proxy.delay(60);
      let text = "";
      let mostReads = 0;
      proxy.onRequest = (bytes) => {
        const asked = bytes.toString("latin1").match(/X(REV)?RANGE/g)?.length ?? 0;
        mostReads = Math.max(mostReads, asked);
      };
      let isCut = false;
      const stdout = new Writable({
        write(chunk: Buffer, _encoding, done) {
          text += chunk.toString();
          if (text.length > 200_000 && !isCut) {
            isCut = true;
            proxy.cut();
          }
          done();
        },
      });
      const { code } = await cli(["consume", key, ...flags], { url: proxy.url, stdout });
      expect(code).toBe(0);
      const all = Array.from({ length: 15_000 }, (_, i) => `${i + 1}-1`);
      expect(ids(text)).toEqual(flags.length > 0 ? all.toReversed() : all);
      expect(isCut).toBe(true);
      expect(mostReads).toBeGreaterThan(1);
    },
  );

  test("a server that stays away is an error with exit 3", async () => {
    const key = await numbered(3_000);
    const proxy = await Proxy.start();
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        proxy.refuse();
        done();
      },
    });
    const { code } = await cli(["consume", key, "--connect-timeout", "300ms"], { url: proxy.url, stdout });
    expect(code).toBe(3);
  });

  test("a signal ends it with 128+n, since not everything was printed", async () => {
    const key = await numbered(3_000);
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        run.signal("SIGINT");
        done();
      },
    });
    const run: CliRun = new CliRun(["consume", key], { stdout });
    expect((await run.done).code).toBe(130);
  });

  test.each([
    ["no such stream", ["consume", "no-such-stream"], 4, "no such stream: no-such-stream"],
    ["no match", ["consume", "no-such-stream:*"], 4, "no stream matches"],
    ["-g and a range", ["consume", "s", "-g", "g", "--from", "1"], 2, "--from"],
    ["group flags without -g", ["consume", "s", "--create-group"], 2, "only with -g"],
    ["--no-ack without -g", ["consume", "s", "--no-ack"], 2, "only with -g"],
    ["an end without follow", ["consume", "s", "--until-empty"], 2, "--until-empty"],
    ["-f and --to", ["consume", "s", "-f", "--to", "5"], 2, "--to"],
    ["--group-start alone", ["consume", "s", "-g", "g", "--group-start", "0"], 2, "--create-group"],
    ["a bad position", ["consume", "s", "--from", "yesterday"], 2, "an entry ID"],
    ["a bad condition", ["consume", "s", "--where", "a~("], 2, "regular expression"],
    ["--exec without -g", ["consume", "s", "--exec", "true"], 2, "-g GROUP"],
    ["a program without a stream", ["consume", "--", "true"], 2, ""],
  ])("%s is refused", async (_name, argv, code, message) => {
    const result = await cli(argv);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(message);
    expect(result.stdout).toBe("");
  });

  test("defaults of the environment that do not apply are passed over", async () => {
    const key = await numbered(3);
    const env = { STREAMCTL_IDLE_EXIT: "10s", STREAMCTL_CREATE_GROUP: "yes", STREAMCTL_COUNT: "2" };
    const { code, stdout } = await cli(["consume", key], { env });
    expect(code).toBe(0);
    expect(ids(stdout)).toEqual(["1-1", "2-1"]);
  });

  test("a key of another type is named as what it is", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.lpush(key, "x");
    for (const flags of [[], ["-f"], ["-g", "g"], ["-g", "g", "--create-group"]]) {
      const { code, stderr } = await cli(["consume", key, ...flags]);
      expect(code, flags.join(" ")).toBe(1);
      expect(stderr).toContain(`${key} is a list, not a stream`);
    }
  });

  test("large entries are read few at a time", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    for (let i = 0; i < 30; i++) await redis.xadd(key, "*", "v", MEGABYTE);
    const [first, ...others] = await pagesInMegabytes(["consume", key, "-o", "raw"]);
    expect(first).toBe(10);
    expect(Math.max(...others)).toBeLessThanOrEqual(2);
    expect(others.reduce((sum, size) => sum + size)).toBe(20);
    await redis.del(key);
  });

  test.each([[[]], [["-g", "g", "--until-empty"]], [["-f", "--from", "-", "--until-empty"]]])(
    "large entries after many small ones are not taken in all at once, %j",
    async (flags) => {
      const redis = rawRedis();
      const key = uniqueKey();
      await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
      const pipeline = redis.pipeline();
      for (let i = 1; i <= 3_000; i++) pipeline.xadd(key, `${i}-1`, "v", "");
      await pipeline.exec();
      for (let i = 0; i < 60; i++) await redis.xadd(key, "*", "v", MEGABYTE);
      const pages = await pagesInMegabytes(["consume", key, "-o", "raw", ...flags]);
      expect(pages.reduce((sum, size) => sum + size)).toBe(60);
      expect(Math.max(...pages)).toBeLessThanOrEqual(16);
      const [pending] = (await redis.xpending(key, "g")) as [number];
      expect(pending).toBe(0);
      await redis.del(key);
    },
  );
});

const MEGABYTE = Buffer.alloc(1024 * 1024, "x");

/** Prints and gives the size of each page in whole megabytes. */
async function pagesInMegabytes(argv: string[]): Promise<number[]> {
  const pages: number[] = [];
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      pages.push(Math.floor(chunk.length / MEGABYTE.length));
      done();
    },
  });
  const { code, stderr } = await cli(argv, { stdout });
  expect(code).toBe(0);
  expect(stderr).not.toContain("trying to get it back");
  return pages;
}
