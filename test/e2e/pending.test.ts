import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { SandboxServer } from "../../src/sandbox/server.ts";
import { bin, type BinResult } from "../support/bin.ts";
import { rawRedis, until } from "../support/redis.ts";

/** A long pending list is looked through, and moved, in small steps: no call holds up the server, no list is held here. */

const ENTRIES = 100_000;
/** Rows of so many entries would take several times that. */
const HEAP_MB = 18;
/** XPENDING of 1,000 takes the server some ms; a script looks at each of its entries. */
const MOST_PER_PAGE = 1_000;
const MOST_PER_STEP = 100;

let server: SandboxServer;
beforeAll(async () => {
  server = await SandboxServer.start({ executable: inject("redisExecutable") });
});
afterAll(() => server.stop());

let redis: Redis;
beforeEach(async () => {
  redis = rawRedis(server.url);
  await redis.flushall();
  await redis.xgroup("CREATE", "orders", "g", "0", "MKSTREAM");
  const add = "for i = ARGV[1], ARGV[2] do redis.call('XADD', KEYS[1], i .. '-0', 'n', i) end";
  for (let from = 1; from <= ENTRIES; from += 20_000) await redis.eval(add, 1, "orders", from, from + 19_999);
  await redis.eval(
    "redis.call('XREADGROUP', 'GROUP', 'g', ARGV[1], 'COUNT', ARGV[2], 'STREAMS', KEYS[1], '>')",
    1,
    "orders",
    "c",
    ENTRIES,
  );
});

interface Watched extends BinResult {
  /** What the run sent, without what its scripts called. */
  readonly calls: readonly (readonly string[])[];
}

/** Runs streamctl with a small heap while the server tells every command it gets. */
async function watched(argv: readonly string[]): Promise<Watched> {
  const monitor = await redis.monitor();
  const calls: string[][] = [];
  let over = false;
  monitor.on("monitor", (_time: string, args: string[], source: string) => {
    if (args[0] === "echo" && args[1] === "over") over = true;
    else if (source !== "lua") calls.push([(args[0] ?? "").toUpperCase(), ...args.slice(1)]);
  });
  try {
    const env = { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` };
    const result = await bin(argv, { url: server.url, env });
    await redis.echo("over");
    await until("the server has told everything", () => over);
    return { ...result, calls };
  } finally {
    monitor.disconnect();
  }
}

function mustBeSmall(calls: Watched["calls"]): void {
  for (const call of calls) {
    const [command, ...args] = call;
    const upper = args.map((arg) => arg.toUpperCase());
    if (command === "XPENDING" && args.length > 2) {
      expect(upper, "the server would look through the whole list").not.toContain("IDLE");
      expect(Number(args[4]), call.slice(0, 8).join(" ")).toBeLessThanOrEqual(MOST_PER_PAGE);
    }
    if (command === "XRANGE" || command === "XREVRANGE")
      expect(args[1] === args[2] || Number(args[4]) <= MOST_PER_PAGE, call.join(" ")).toBe(true);
    if (command === "EVALSHA" || command === "EVAL")
      expect(args.filter((arg) => /^\d+-\d+$/.test(arg)).length).toBeLessThanOrEqual(MOST_PER_STEP);
    // Before 7.0 doctor tries each command for a group of this name, which is not there.
    const tried = args.some((arg) => arg.startsWith("streamctl-doctor-"));
    if (!tried) expect(["XAUTOCLAIM", "XREADGROUP", "XCLAIM"]).not.toContain(command);
  }
}

function count(calls: Watched["calls"], command: string): number {
  return calls.filter(([name]) => name === command).length;
}

function lines({ stdout }: BinResult): number {
  return stdout.split("\n").length - 1;
}

test.each([
  [["pending", "orders", "-g", "g"], 1],
  [["pending", "orders", "-g", "g", "--list"], ENTRIES],
  [["pending", "orders", "-g", "g", "--list", "--min-idle", "10h"], 0],
  [["pending", "orders", "-g", "g", "--list", "--consumer", "c", "--min-deliveries", "2"], 0],
  [["claim", "orders", "-g", "g", "--all", "--to", "d", "--dry-run"], ENTRIES],
])("the whole list, in pages: %j", async (argv, rows) => {
  const result = await watched(argv);
  expect({ code: result.code, lines: lines(result) }, result.stderr).toEqual({ code: 0, lines: rows });
  expect(count(result.calls, "XPENDING")).toBeGreaterThanOrEqual(ENTRIES / MOST_PER_PAGE);
  mustBeSmall(result.calls);
});

test.each([
  [["pending", "orders", "-g", "g", "--list", "--payload", "--limit", "50"], 50],
  [["claim", "orders", "-g", "g", "--all", "--to", "d", "--limit", "250"], 250],
  [["ack", "orders", "-g", "g", "7-0"], 1],
  [["lag", "orders"], 1],
  [["info", "orders"], 1],
  [["doctor", "orders"], undefined],
])("no more of the list than is asked for: %j", async (argv, rows) => {
  const result = await watched(argv);
  expect(result.code, result.stderr).toBe(0);
  if (rows !== undefined) expect(lines(result)).toBe(rows);
  expect(result.calls.length, "round trips").toBeLessThan(200);
  mustBeSmall(result.calls);
});

test("all of it moves to another consumer, and the first one is forgotten", async () => {
  const half = ["claim", "orders", "-g", "g", "--all", "--to", "d", "--limit", String(ENTRIES / 2)];
  const claimed = await watched(half);
  expect({ code: claimed.code, lines: lines(claimed) }).toEqual({ code: 0, lines: ENTRIES / 2 });
  mustBeSmall(claimed.calls);
  const forgotten = await watched(["group", "forget-consumer", "orders", "c", "-g", "g", "--claim-to", "e"]);
  expect(forgotten.code).toBe(0);
  expect(JSON.parse(forgotten.stdout)).toMatchObject({ moved: ENTRIES / 2, dropped: 0 });
  mustBeSmall(forgotten.calls);
  expect(await redis.xpending("orders", "g")).toEqual([
    ENTRIES,
    "1-0",
    `${ENTRIES}-0`,
    [
      ["d", String(ENTRIES / 2)],
      ["e", String(ENTRIES / 2)],
    ],
  ]);
});
