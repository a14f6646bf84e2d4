import { PassThrough } from "node:stream";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith } from "../../support/users.ts";

async function streamWithGroup(): Promise<{ redis: ReturnType<typeof rawRedis>; key: string }> {
  const redis = rawRedis();
  const key = uniqueKey();
  await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  await redis.xadd(key, "*", "a", "1");
  return { redis, key };
}

describe("--watch on a pipe", () => {
  test("prints a snapshot at every refresh, with its time and rates, until a signal: exit 0", async () => {
    const { redis, key } = await streamWithGroup();
    const run = new CliRun(["lag", key, "--watch", "--interval", "50ms"]);
    await until("the first snapshot", () => ndjson(run.stdout).length >= 1);
    for (let n = 0; n < 3; n++) await redis.xadd(key, "*", "a", "1");
    // Redis before 7.0 does not count what it is given: there the rate is unknown.
    const counts = ((await redis.xinfo("STREAM", key)) as unknown[]).includes("entries-added");
    await until("the lag and the rate are those of now", () =>
      ndjson(run.stdout).some(
        (row) => row["lag"] === 4 && (counts ? Number(row["inPerSecond"]) > 0 : row["inPerSecond"] === null),
      ),
    );
    run.signal("SIGTERM");
    const { code, stdout, stderr } = await run.done;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rows = ndjson(stdout);
    expect(Object.keys(rows[0] ?? {})).toEqual([
      "time",
      "stream",
      "group",
      "lag",
      "lagAtLeast",
      "consumers",
      "pending",
      "oldestPendingMs",
      "oldestUndeliveredMs",
      "maxDeliveries",
      "lastDeliveredId",
      "paused",
      "pausedSince",
      "pausedUntil",
      "pausedBy",
      "pausedReason",
      "inPerSecond",
      "outPerSecond",
      "drainMs",
    ]);
    const times = rows.map((row) => String(row["time"]));
    expect(times).toEqual([...times].sort());
    expect(new Date(times[0] ?? "").toISOString()).toBe(times[0]);
  });

  test("names csv columns once, however many snapshots come", async () => {
    const { key } = await streamWithGroup();
    const run = new CliRun(["lag", key, "--watch", "--interval", "20ms", "-o", "csv"]);
    await until("three snapshots", () => run.stdout.split("\n").length > 4);
    run.signal("SIGINT");
    const { stdout } = await run.done;
    expect(stdout.match(/^time,stream,group/gm)).toHaveLength(1);
  });

  test("shows streams that appear later, and forgets those that vanish", async () => {
    const { redis, key } = await streamWithGroup();
    const other = `${key}:other`;
    await redis.xgroup("CREATE", other, "g", "0", "MKSTREAM");
    const run = new CliRun(["lag", key, other, "--watch", "--interval", "20ms"]);
    await until("both are shown", () => run.stdout.includes(other));
    await redis.del(other);
    const gone = await until("only one is shown", () => {
      const last = ndjson(run.stdout).slice(-2);
      return last.length === 2 && last.every((row) => row["stream"] === key);
    });
    expect(gone).toBe(true);
    run.signal("SIGINT");
    expect((await run.done).code).toBe(0);
  });

  test("ends with exit 3 when the connection is lost for good", async () => {
    const { key } = await streamWithGroup();
    const proxy = await Proxy.start();
    const run = new CliRun(["lag", key, "--watch", "--interval", "20ms", "--connect-timeout", "2s"], {
      url: proxy.url,
    });
    await until("the first snapshot", () => run.stdout !== "");
    proxy.refuse();
    expect((await run.done).code).toBe(3);
  });
});

/** A stdin that is a terminal, as far as a program can tell. */
class Keyboard extends PassThrough {
  readonly isTTY = true;
  /** Every setRawMode, in order. */
  readonly modes: boolean[] = [];

  setRawMode(raw: boolean): this {
    this.modes.push(raw);
    return this;
  }
}

const ENTER = "\u001b[?1049h";
const LEAVE = "\u001b[?7h\u001b[?25h\u001b[?1049l";

describe("--watch on a terminal", () => {
  test.each([
    ["q", "q"],
    ["Ctrl-C, which is a key in raw mode", "\u0003"],
  ])("draws in place without clearing the screen, and quits at %s", async (_, key) => {
    const { redis, key: stream } = await streamWithGroup();
    const keyboard = new Keyboard();
    const run = new CliRun(["lag", stream, "--watch", "--interval", "30ms"], {
      stdin: keyboard,
      columns: 100,
    });
    await until("the first picture", () => run.stdout.includes("1 group, lag 1"));
    await redis.xadd(stream, "*", "a", "1");
    await until("the next one", () => run.stdout.includes("1 group, lag 2"));
    expect(keyboard.modes).toEqual([true]);
    keyboard.write(key);
    expect(await run.done).toMatchObject({ code: 0, stderr: "" });
    expect(run.stdout.startsWith(ENTER)).toBe(true);
    expect(run.stdout.endsWith(LEAVE)).toBe(true);
    expect(run.stdout).not.toContain("\u001b[2J");
    expect(keyboard.modes).toEqual([true, false]);
    expect(keyboard.listenerCount("data")).toBe(0);
  });

  test.each([20, 40, 80, 200])("no line is wider than a terminal of %i columns", async (columns) => {
    const { key } = await streamWithGroup();
    const run = new CliRun(["lag", key, "--watch", "--no-color"], { stdin: new Keyboard(), columns });
    await until("a picture", () => run.stdout.includes("\u001b[J"));
    run.signal("SIGINT");
    const { stdout } = await run.done;
    const picture = stdout.slice(stdout.indexOf("\u001b[H") + 3, stdout.indexOf("\u001b[J"));
    const lines = picture.split("\r\n").map((line) => line.replace("\u001b[K", ""));
    expect(lines.length).toBeGreaterThanOrEqual(4);
    // Numbers are never cut: what a narrow terminal can't show falls off its edge, it does not wrap.
    expect(stdout).toContain("\u001b[?7l");
    if (columns >= 40) expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(columns);
  });

  test.each([1, 3, 5, 50])(
    "no picture is higher than a terminal of %i lines: it would scroll",
    async (rows) => {
      const { redis, key } = await streamWithGroup();
      for (let n = 0; n < 9; n++) await redis.xgroup("CREATE", key, `g${n}`, "0");
      const run = new CliRun(["lag", key, "--watch", "--no-color"], {
        stdin: new Keyboard(),
        columns: 100,
        rows,
      });
      await until("a picture", () => run.stdout.includes("\u001b[J"));
      run.signal("SIGINT");
      const { stdout } = await run.done;
      const picture = stdout.slice(stdout.indexOf("\u001b[H"), stdout.indexOf("\u001b[J"));
      expect(picture.split("\n").length).toBe(Math.min(rows, rows < 14 ? 5 : 14));
      expect(picture).toContain("10 groups, lag 10");
    },
  );

  test("keys sort and scroll; the picture has a clock and says what red means", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    for (let n = 0; n < 40; n++) await redis.xadd(key, `${n + 1}-0`, "a", "1");
    for (let n = 10; n < 40; n++) await redis.xgroup("CREATE", key, `g${n}`, `${n}-0`);
    await redis.xreadgroup("GROUP", "g20", "c", "COUNT", 5, "STREAMS", key, ">");
    const keyboard = new Keyboard();
    const argv = ["lag", key, "--watch", "--interval", "1h", "--no-color"];
    const run = new CliRun(argv, { stdin: keyboard, columns: 100, rows: 24 });
    const groups = (): string[] => {
      const picture = run.stdout.slice(run.stdout.lastIndexOf("\u001b[H"));
      return [...picture.matchAll(/ (g\d\d) /g)].map(([, name]) => name ?? "");
    };
    const press = async (keys: string, what: string, shown: () => boolean): Promise<void> => {
      keyboard.write(keys);
      await until(what, shown);
    };
    await until("the first picture", () => run.stdout.includes("\u001b[J"));
    expect(run.stdout).toMatch(/ 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ/);
    expect(run.stdout).toContain("[age]  l lag  p pending  n name");
    expect(run.stdout).toContain("red: no reader, or it grows");
    expect(run.stdout).toContain("1–19 of 30");
    await press("l", "the highest lag first", () => groups()[0] === "g10");
    await press("p", "what is pending first", () => groups()[0] === "g20");
    await press("n", "by name", () => groups()[0] === "g10" && groups()[1] === "g11");
    expect(run.stdout).toContain("[name]");
    await press("\u001b[B\u001b[B", "two rows on", () => groups()[0] === "g12");
    await press("\u001b[A", "one back", () => groups()[0] === "g11");
    await press("\u001b[F", "the end", () => groups().at(-1) === "g39" && groups()[0] === "g21");
    await press("\u001b[5~", "a page up", () => groups()[0] === "g10");
    await press("\u001b[6~\u001b[6~j", "no further than the end", () => groups().at(-1) === "g39");
    await press("\u001b[H", "the beginning", () => groups()[0] === "g10");
    keyboard.write("q");
    expect((await run.done).code).toBe(0);
  });

  test("the clock is whole on 80 columns, however long the rest of its line is", async () => {
    const { key } = await streamWithGroup();
    const argv = ["lag", key, "--watch", "--interval", "205m", "--no-color"];
    const run = new CliRun(argv, { stdin: new Keyboard(), columns: 80 });
    await until("the first picture", () => run.stdout.includes("\u001b[J"));
    const [title = ""] = run.stdout.slice(run.stdout.lastIndexOf("\u001b[H") + 3).split("\u001b[K");
    run.signal("SIGINT");
    await run.done;
    expect(title).toMatch(/^redis:.* 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$/);
    expect(title.length).toBeLessThan(80);
  });

  test("says on 40 columns how to quit", async () => {
    const { key } = await streamWithGroup();
    const run = new CliRun(["lag", key, "--watch", "--no-color"], { stdin: new Keyboard(), columns: 40 });
    await until("the first picture", () => run.stdout.includes("\u001b[J"));
    run.signal("SIGINT");
    await run.done;
    expect(run.stdout).toContain("q quit");
  });

  test("redraws at once when the terminal changes its size", async () => {
    const { key } = await streamWithGroup();
    const run = new CliRun(["lag", key, "--watch", "--interval", "1h"], {
      stdin: new Keyboard(),
      columns: 100,
    });
    await until("the first picture", () => run.stdout.includes("1 group"));
    run.resize(60);
    await until("another one", () => run.stdout.split("\u001b[H").length === 3);
    expect(run.stdout).toContain("\u001b[2J");
    run.signal("SIGINT");
    expect((await run.done).code).toBe(0);
  });

  test("shows as many groups as there are lines, and which of how many these are", async () => {
    const { redis, key } = await streamWithGroup();
    for (let n = 0; n < 40; n++) await redis.xgroup("CREATE", key, `g${n}`, "0");
    const run = new CliRun(["lag", key, "--watch"], { stdin: new Keyboard(), columns: 100 });
    await until("a picture", () => run.stdout.includes("\u001b[J"));
    run.signal("SIGINT");
    // 24 lines, of which 5 are not rows.
    expect((await run.done).stdout).toContain("1–19 of 41");
  });

  test("shows what it would on 80 × 24 where the terminal says 0 × 0", async () => {
    const { key } = await streamWithGroup();
    const run = new CliRun(["lag", key, "--watch"], { stdin: new Keyboard(), columns: 0, rows: 0 });
    await until("a picture", () => run.stdout.includes("\u001b[J"));
    run.signal("SIGINT");
    const { stdout } = await run.done;
    expect(stdout).toContain("1 group");
    expect(stdout).toContain("GROUP");
  });

  test("gives the terminal back when it fails", async () => {
    const { redis, key } = await streamWithGroup();
    const keyboard = new Keyboard();
    const run = new CliRun(["lag", key, "--watch", "--interval", "20ms"], { stdin: keyboard, columns: 100 });
    await until("the first picture", () => run.stdout.includes("1 group"));
    await redis.del(key);
    await redis.lpush(key, "no stream");
    await until("it is gone from the picture", () => run.stdout.includes("0 groups"));
    run.signal("SIGTERM");
    expect((await run.done).code).toBe(0);
    expect(keyboard.modes).toEqual([true, false]);

    const failing = new Keyboard();
    const missing = await cli(["lag", uniqueKey("nowhere"), "--watch"], { stdin: failing, columns: 100 });
    expect(missing).toMatchObject({ code: 4, stdout: "" });
    expect(failing.modes.at(-1) ?? false).toBe(false);
  });

  test("waits while Redis is loading, and says so", async ({ skip }) => {
    const args = ["--enable-debug-command", "yes"];
    const executable = inject("redisExecutable");
    const server = await SandboxServer.start({ executable, args }).catch(() => undefined);
    if (!server) return skip("Redis before 7 can't be slowed down while it loads");
    onTestFinished(() => server.stop());
    const redis = rawRedis(server.url);
    // Made before: what connects while it loads waits for the end of that.
    const other = rawRedis(server.url);
    await other.ping();
    await redis.xgroup("CREATE", "orders", "g", "0", "MKSTREAM");
    await redis.call("DEBUG", "POPULATE", "30000", "k", "100");
    // It would take minutes, if it were not let go.
    await redis.config("SET", "key-load-delay", "10000");
    await redis.config("SET", "loading-process-events-interval-bytes", "1024");
    const argv = ["lag", "orders", "--watch", "--interval", "20ms", "--connect-timeout", "1s"];
    const run = new CliRun(argv, { stdin: new Keyboard(), columns: 120, url: server.url });
    await until("the first picture", () => run.stdout.includes("1 group, lag 0"));
    const reloaded = redis.call("DEBUG", "RELOAD").catch(() => {});
    await until("it says what is wrong", () =>
      run.stdout.includes("trying again: Redis is loading its data"),
    );
    await other.config("SET", "key-load-delay", "0");
    await reloaded;
    const shown = run.stdout.length;
    await until("it is back", () => run.stdout.slice(shown).includes("1 group, lag 0"));
    run.signal("SIGINT");
    expect(await run.done).toMatchObject({ code: 0, stderr: "" });
  });

  test("an error that ends it is told on the screen that stays", async () => {
    const { redis, key } = await streamWithGroup();
    const both = new PassThrough() as PassThrough & { isTTY?: boolean; columns?: number };
    Object.assign(both, { isTTY: true, columns: 100 });
    let text = "";
    both.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const { user, url } = await userWith(redis, [`~${key}`, "+@all"]);
    const run = new CliRun(["lag", key, "--watch", "--interval", "20ms"], {
      stdin: new Keyboard(),
      stdout: both,
      url,
    });
    await until("the first picture", () => text.includes("1 group"));
    await redis.call("ACL", "SETUSER", user, "-xinfo");
    const { code, stderr } = await run.done;
    expect(code).toBe(1);
    expect(stderr).toContain("no permission");
    expect(text.endsWith(LEAVE)).toBe(true);
  });

  test("goes on through a lost connection, and says so", async () => {
    const { redis, key } = await streamWithGroup();
    const proxy = await Proxy.start();
    const run = new CliRun(["lag", key, "--watch", "--interval", "30ms", "--connect-timeout", "2s"], {
      stdin: new Keyboard(),
      columns: 120,
      url: proxy.url,
    });
    await until("the first picture", () => run.stdout.includes("lag 1"));
    proxy.refuse();
    await until("it says what is wrong", () => run.stdout.includes("trying again"));
    await redis.xadd(key, "*", "a", "1");
    proxy.accept();
    await until("it is back", () => run.stdout.includes("lag 2"));
    run.signal("SIGINT");
    expect(await run.done).toMatchObject({ code: 0, stderr: "" });
  });
});

test.each([
  [["--interval", "1s"], /--interval goes with --watch/],
  [["--watch", "--wait"], /--watch and --wait exclude each other/],
  [["--watch", "--max-lag", "1"], /--watch and --max-lag exclude each other/],
  [["--watch", "-o", "json"], /use -o ndjson/],
  [["--watch", "-o", "prometheus"], /use -o ndjson/],
])("%j make no sense: exit 2", async (flags, message) => {
  const result = await cli(["lag", "x", ...flags]);
  expect(result).toMatchObject({ code: 2, stdout: "" });
  expect(result.stderr).toMatch(message);
});
