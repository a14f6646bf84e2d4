import type { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { encodeRecord } from "../../../src/engine/dlq/record.ts";
import { NEEDS, type Need, type Place, placesOf } from "../../../src/engine/doctor/needs.ts";
import { type StreamKey, groupName } from "../../../src/entry/names.ts";
import { REPLAY_CONSUMER } from "../../../src/redis/ops/replay-fate.ts";
import { cli, type CliOptions, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { metricsUrl, scrape } from "../../support/http.ts";
import { pendingStream } from "../../support/pending.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { TestReplicas } from "../../support/replicas.ts";
import { userWith } from "../../support/users.ts";
import { entryId } from "../../support/ids.ts";

const NAMING = { cluster: false };

/** What doctor lists for a command, as rights by place; with what the command it goes beyond needs. */
function rightsOf(need: Need): [Place, string[]][] {
  const base = NEEDS.find(({ command }) => command === need.beyond);
  const own = Object.entries(need.rights) as [Place, string][];
  const all = own.map(([place, rights]): [Place, string[]] => [place, rights.split(" ")]);
  return base === undefined ? all : [...rightsOf(base), ...all];
}

function rulesOf(rights: readonly [Place, readonly string[]][], stream: StreamKey): string[] {
  const places = placesOf(stream, NAMING, "nobody");
  return rights.flatMap(([place, names]) => [
    places[place]?.rule ?? "",
    ...names.map((right) => `+${right}`),
  ]);
}

async function entries(redis: Redis): Promise<StreamKey> {
  const key = uniqueKey();
  for (let n = 1; n <= 20; n++) await redis.xadd(key, `${n}-0`, "n", String(n));
  return key;
}

async function withGroup(redis: Redis): Promise<StreamKey> {
  const key = await entries(redis);
  await redis.xgroup("CREATE", key, "g", "0");
  return key;
}

/** No server that does not count right knows the lag, so that it takes all that a lag can take. */
async function halfRead(redis: Redis): Promise<StreamKey> {
  const key = await withGroup(redis);
  await redis.xreadgroup("GROUP", "g", "c", "COUNT", 10, "STREAMS", key, ">");
  await redis.xdel(key, "5-0", "15-0");
  return key;
}

async function pendingWithoutData(redis: Redis): Promise<StreamKey> {
  const key = await pendingStream(redis, 6);
  await redis.xdel(key, "1-0");
  return key;
}

async function withSuccess(redis: Redis): Promise<StreamKey> {
  const key = await entries(redis);
  await redis.set(`${key}:done:g:42`, "1-0");
  return key;
}

async function withDeadLetters(redis: Redis): Promise<StreamKey> {
  const stream = await entries(redis);
  const failure = {
    stream,
    group: groupName("g"),
    consumer: "c",
    deliveries: 1,
    reason: "exit 1",
    replays: 0,
  };
  for (let n = 1; n <= 3; n++) {
    const facts = { ...failure, id: entryId(`${n}-0`), stderr: Buffer.alloc(0), failedAt: new Date() };
    await redis.xadd(`${stream}:dlq`, "*", ...encodeRecord([Buffer.from("n"), Buffer.from("1")], facts));
  }
  return stream;
}

/** One is due, another is not. */
async function withScheduled(): Promise<StreamKey> {
  const key = uniqueKey();
  for (const delay of ["0", "1h"]) await cli(["produce", key, "a=1", "--delay", delay]);
  return key;
}

interface Case {
  readonly make: (redis: Redis) => Promise<StreamKey>;
  /** On a server of its own, with a replica. */
  readonly replica?: true;
  /** Command lines that between them do all that the command can, one after the other. */
  readonly lines: (stream: StreamKey) => readonly (readonly string[])[];
  readonly stdin?: string;
  /** What they must have done, where the exit code does not tell. */
  readonly check?: (redis: Redis, stream: string, stdout: string) => Promise<void>;
}

const twice = (line: readonly string[]): (readonly string[])[] => [line, line];

const RETRY_ONE_AND_BURY_ONE =
  'read l; case $l in *\'"id":"2-0"\'*) exit 65;; *\'"id":"3-0"\'*) test "$STREAMCTL_DELIVERIES" = 2;; esac';

const CASES: Readonly<Record<string, Case>> = {
  produce: { make: entries, lines: (key) => [["produce", key, "a=1", "--maxlen", "5"]] },
  "produce --idempotency-key": {
    make: entries,
    lines: (key) => twice(["produce", key, "--idempotency-key", "n"]),
    stdin: '{"n":"a"}\n{"n":"b"}\n',
    check: async (redis, key) => expect(await redis.xlen(key)).toBe(22),
  },
  "produce --max-age": { make: entries, lines: (key) => [["produce", key, "a=1", "--max-age", "7d"]] },
  "produce --id-field": {
    make: entries,
    lines: (key) => twice(["produce", key, "--id-field", "id"]),
    stdin: '{"id":"30-0","n":"a"}\n',
    check: async (redis, key) => expect(await redis.xlen(key)).toBe(21),
  },
  "produce --wait-lag": {
    make: halfRead,
    lines: (key) => [["produce", key, "--wait-lag", "g:100"]],
    stdin: '{"n":"a"}\n',
  },
  "produce --wait-replicas": {
    make: entries,
    replica: true,
    lines: (key) => [["produce", key, "a=1", "--wait-replicas", "1"]],
    check: async (redis, key) => expect(await redis.xlen(key)).toBe(21),
  },
  consume: {
    make: entries,
    lines: (key) => [
      ["consume", key],
      ["consume", key, "-f", "--from", "0", "--count", "2"],
      ["consume", key, "-f", "--idle-exit", "50ms"],
    ],
  },
  "consume -g": {
    make: withGroup,
    lines: (key) => [["consume", key, "-g", "g", "--until-empty", "--consumer", "c"]],
    check: async (redis, key, stdout) => {
      expect(ndjson(stdout)).toHaveLength(20);
      expect(await redis.xpending(key, "g", "-", "+", 1)).toEqual([]);
    },
  },
  "consume -g --create-group": {
    make: entries,
    lines: (key) => [["consume", key, "-g", "new", "--create-group", "--until-empty", "--consumer", "c"]],
  },
  "consume --exec": {
    make: withGroup,
    lines: (key) => [
      ["consume", key, "-g", "g", "--until-empty", "--retry-delay", "10ms", "--exec", RETRY_ONE_AND_BURY_ONE],
    ],
    check: async (redis, key) => {
      expect(await redis.xpending(key, "g", "-", "+", 1)).toEqual([]);
      expect(await redis.xlen(`${key}:dlq`)).toBe(1);
    },
  },
  "consume --exec --wait-replicas": {
    make: withGroup,
    replica: true,
    lines: (key) => [["consume", key, "-g", "g", "--until-empty", "--wait-replicas", "1", "--exec", "true"]],
    check: async (redis, key) => expect(await redis.xpending(key, "g", "-", "+", 1)).toEqual([]),
  },
  "a group's pause in consume -g": {
    make: withGroup,
    lines: (key) => [["consume", key, "-g", "g", "--until-empty", "--consumer", "c"]],
    check: async (redis, key) => expect(await redis.xpending(key, "g", "-", "+", 1)).toEqual([]),
  },
  "a worker's line in group consumers": {
    make: withGroup,
    lines: (key) => [["consume", key, "-g", "g", "--until-empty", "--exec", "true"]],
    check: async (redis, key) => expect(await redis.xpending(key, "g", "-", "+", 1)).toEqual([]),
  },
  pending: {
    make: pendingWithoutData,
    lines: (key) => [
      ["pending", key, "-g", "g"],
      ["pending", key, "-g", "g", "--list"],
      ["pending", key, "-g", "g", "--list", "--payload"],
    ],
  },
  show: { make: withGroup, lines: (key) => [["show", key, "+"]] },
  claim: {
    make: pendingWithoutData,
    lines: (key) => [["claim", key, "-g", "g", "--all", "--to", "z", "--drop-missing", "-y"]],
    check: async (redis, key) => expect(await redis.xpending(key, "g", "-", "+", 9, "z")).toHaveLength(5),
  },
  ack: { make: pendingWithoutData, lines: (key) => [["ack", key, "-g", "g", "2-0"]] },
  release: {
    make: async (redis) => {
      const key = await withGroup(redis);
      await redis.xreadgroup("GROUP", "g", REPLAY_CONSUMER, "COUNT", 2, "STREAMS", key, ">");
      return key;
    },
    lines: (key) => [["release", key, "-g", "g", "--all"]],
    check: async (_, __, stdout) => expect(ndjson(stdout)).toHaveLength(2),
  },
  "dlq add": {
    make: (redis) => pendingStream(redis, 3),
    lines: (key) => [["dlq", "add", key, "-g", "g", "1-0", "-y"]],
    check: async (redis, key) => expect(await redis.xlen(`${key}:dlq`)).toBe(1),
  },
  "dedupe list": {
    make: withSuccess,
    lines: (key) => [["dedupe", "list", key, "-g", "g"]],
    check: async (_, __, stdout) => expect(ndjson(stdout)).toMatchObject([{ key: "42" }]),
  },
  "dedupe forget": {
    make: withSuccess,
    lines: (key) => [["dedupe", "forget", key, "-g", "g", "42"]],
  },
  "dlq list": {
    make: withDeadLetters,
    lines: (key) => [
      ["dlq", "list", key],
      ["dlq", "list", key, "--oldest"],
    ],
  },
  "dlq replay": {
    make: withDeadLetters,
    lines: (key) => [
      ["dlq", "replay", key, "--all", "--limit", "1", "-y"],
      ["dlq", "replay", key, "--all", "-y"],
    ],
    check: async (redis, key) => {
      expect(await redis.xlen(key)).toBe(23);
      expect(await redis.zcard(`${key}:replays`)).toBeGreaterThan(0);
    },
  },
  "dlq purge": {
    make: withDeadLetters,
    lines: (key) => [["dlq", "purge", key, "--all", "-y"]],
    check: async (redis, key) => expect(await redis.xlen(`${key}:dlq`)).toBe(0),
  },
  "produce --delay": {
    make: entries,
    lines: (key) => [["produce", key, "a=1", "--delay", "1h"]],
    check: async (redis, key) => expect(await redis.zcard(`${key}:scheduled`)).toBe(1),
  },
  "schedule run": {
    make: withScheduled,
    lines: (key) => [["schedule", "run", key, "--once"]],
    check: async (redis, key) => {
      expect(await redis.xlen(key)).toBe(1);
      expect(await redis.zcard(`${key}:scheduled`)).toBe(1);
    },
  },
  "schedule list": {
    make: withScheduled,
    lines: (key) => [["schedule", "list", key, "--overdue"]],
    check: async (_, __, stdout) => expect(ndjson(stdout)).toHaveLength(1),
  },
  "schedule cancel": {
    make: withScheduled,
    lines: (key) => [["schedule", "cancel", key, "--all", "-y"]],
    check: async (redis, key) => expect(await redis.exists(`${key}:scheduled`)).toBe(0),
  },
  trim: {
    make: halfRead,
    lines: (key) => [
      ["trim", key, "--maxlen", "1", "--dry-run"],
      ["trim", key, "--maxlen", "1", "--exact"],
      ["trim", key, "--min-id", "4-0", "--exact", "--force", "-y"],
    ],
    check: async (redis, key) => expect(await redis.xlen(key)).toBe(15),
  },
  "trim --max-age": {
    make: entries,
    lines: (key) => [["trim", key, "--max-age", "7d", "--exact"]],
    check: async (redis, key) => expect(await redis.xlen(key)).toBe(0),
  },
  lag: {
    make: halfRead,
    lines: (key) => [["lag", key]],
    check: async (_, key, stdout) => expect(ndjson(stdout)).toMatchObject([{ stream: key, lag: 9 }]),
  },
  ls: {
    make: entries,
    lines: (key) => [["ls", `${key}*`]],
    check: async (_, key, stdout) =>
      expect(ndjson(stdout)).toMatchObject([{ stream: key, memoryBytes: expect.any(Number) }]),
  },
  info: {
    make: async (redis) => {
      const key = await halfRead(redis);
      await redis.pexpire(key, 600_000);
      return key;
    },
    lines: (key) => [["info", key]],
    check: async (_, __, stdout) =>
      expect(ndjson(stdout)).toMatchObject([
        { memoryBytes: expect.any(Number), expiresInMs: expect.any(Number), groups: [{ lag: 9 }] },
      ]),
  },
  "group create": {
    make: entries,
    lines: (key) => [["group", "create", key, "new"]],
    check: async (_, __, stdout) => expect(ndjson(stdout)).toMatchObject([{ lastDeliveredId: "0-0" }]),
  },
  "group set-id": { make: halfRead, lines: (key) => [["group", "set-id", key, "g", "--at", "$", "-y"]] },
  "group destroy": { make: halfRead, lines: (key) => [["group", "destroy", key, "g", "-y"]] },
  "group pause": {
    make: halfRead,
    lines: (key) => twice(["group", "pause", key, "g", "--for", "1h"]),
    check: async (redis, key) => expect(await redis.pttl(`${key}:paused:g`)).toBeGreaterThan(0),
  },
  "group resume": {
    make: async (redis) => {
      const key = await halfRead(redis);
      await redis.set(`${key}:paused:g`, "{}");
      return key;
    },
    lines: (key) => twice(["group", "resume", key, "g"]),
    check: async (redis, key) => expect(await redis.exists(`${key}:paused:g`)).toBe(0),
  },
  "group consumers": { make: halfRead, lines: (key) => [["group", "consumers", key, "-g", "g"]] },
  "group forget-consumer": {
    make: pendingWithoutData,
    lines: (key) => [
      ["group", "forget-consumer", key, "a", "-g", "g", "--claim-to", "z"],
      ["group", "forget-consumer", key, "-g", "g", "--all-empty", "--idle", "0", "-y"],
    ],
    check: async (redis, key) => expect(await redis.xpending(key, "g", "-", "+", 9, "z")).toHaveLength(2),
  },
};

async function serveMetrics(redis: Redis, rules: (stream: StreamKey) => string[]): Promise<void> {
  const key = await halfRead(redis);
  await redis.xadd(`${key}:dlq`, "*", "n", "1");
  const { url } = await userWith(redis, rules(key));
  const run = new CliRun(["serve-metrics", `${key}*`, "--metrics-port", "0"], { url });
  try {
    const at = await until("it listens", () => metricsUrl(run));
    const metrics = await until("it has looked", async () => {
      const shown = await scrape(at);
      return shown.samples("streamctl_stream_entries").length > 0 ? shown : undefined;
    });
    expect(metrics.value("streamctl_group_lag_entries", { stream: key, group: "g" })).toBe(9);
    expect(metrics.value("streamctl_stream_memory_bytes", { stream: key })).toBeGreaterThan(0);
    expect(metrics.value("streamctl_dead_letters", { stream: key, dlq: `${key}:dlq` })).toBe(1);
  } finally {
    run.signal("SIGTERM");
    await run.done;
  }
}

async function redisWithReplica(): Promise<Redis> {
  const servers = await TestReplicas.start(1);
  onTestFinished(() => servers.stop());
  return rawRedis(servers.url);
}

/** Before 6.2 there is no MINID: trim deletes entries one by one, and produce can't trim by age. */
async function hasMinId(redis: Redis): Promise<boolean> {
  return !/redis_version:(5|6\.0)\./.test(await redis.info("server"));
}

describe("the rights that doctor lists for a command", () => {
  test.for(NEEDS.map((need) => [need.command, need] as const))(
    "are enough for %s",
    async ([command, need], { skip }) => {
      const redis = CASES[command]?.replica ? await redisWithReplica() : rawRedis();
      const old = !(await hasMinId(redis));
      skip(old && command === "produce --max-age", "XADD MINID: Redis 6.2");
      const more = old && command.startsWith("trim") ? ["+xdel"] : [];
      const rules = (key: StreamKey): string[] => [...rulesOf(rightsOf(need), key), ...more];
      if (command === "serve-metrics") {
        await serveMetrics(redis, rules);
        return;
      }
      const { make, lines, stdin = "", check } = CASES[command] as Case;
      const key = await make(redis);
      const options: CliOptions = { url: (await userWith(redis, rules(key))).url, stdin };
      let stdout = "";
      for (const line of lines(key)) {
        const result = await cli(line, options);
        expect(result.code, `${line.join(" ")}: ${result.stderr}`).toBe(0);
        expect(result.stderr).not.toMatch(/NOPERM|permission|may not/);
        stdout += result.stdout;
      }
      await check?.(redis, key, stdout);
    },
  );
});

const ALL_RIGHTS = [...new Set(NEEDS.flatMap(rightsOf).flatMap(([, rights]) => rights))].sort();
const PLACES = [
  "stream",
  "dlq",
  "markers",
  "replays",
  "scheduled",
  "successes",
  "pauses",
  "workers",
] as const satisfies readonly Place[];

const WITHOUT_KEY = new Set(["eval", "evalsha", "info", "scan", "time", "wait"]);

/** The findings on rights, by streamctl command: what is missing. */
async function missingFor(redis: Redis, key: string, rules: readonly string[]): Promise<Map<string, string>> {
  const { url } = await userWith(redis, rules);
  const rows = ndjson((await cli(["doctor", key], { url })).stdout);
  return new Map(
    rows
      .filter(({ check }) => check === "rights")
      .map(({ evidence }) => {
        const [, command = "", what = ""] = /rights for (.*?): (.*)$/.exec(String(evidence)) ?? [];
        return [command, what];
      }),
  );
}

/** Commands that say themselves that they call this. */
function callersOf(right: string): string[] {
  return NEEDS.filter(({ rights }) =>
    Object.values(rights).some((each) => each.split(" ").includes(right)),
  ).map(({ command }) => command);
}

describe.each([
  ["by asking the server", ["+acl|dryrun", "+acl|whoami"]],
  ["by trying what can't do anything", []],
])("a right that is missing is found %s", (_, asking) => {
  test.each(ALL_RIGHTS)("%s", async (right) => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    const others = ALL_RIGHTS.filter((other) => other !== right).map((other) => `+${other}`);
    const missing = await missingFor(redis, key, ["~*", "+ping", ...asking, ...others]);
    expect([...missing.keys()].sort()).toEqual(callersOf(right).sort());
    expect(new Set(missing.values())).toEqual(new Set([right.replace("|", " ").toUpperCase()]));
    expect(await redis.xpending(key, "g", "-", "+", 9), "nothing was changed").toHaveLength(2);
  });

  test.each(PLACES)("to the keys of the %s", async (place) => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    const places = placesOf(key, NAMING, "nobody");
    const keys = PLACES.filter((other) => other !== place).map((other) => places[other]?.rule ?? "");
    const commands = ALL_RIGHTS.map((right) => `+${right}`);
    const missing = await missingFor(redis, key, [...keys, "+ping", ...asking, ...commands]);
    const callers = NEEDS.filter(({ rights }) =>
      (rights[place] ?? "").split(" ").some((right) => right !== "" && !WITHOUT_KEY.has(right)),
    );
    expect([...missing.keys()].sort()).toEqual(callers.map(({ command }) => command).sort());
    expect(new Set(missing.values())).toEqual(new Set([`the key ${places[place]?.rule.slice(1)}`]));
  });
});

test("every command has a case", () => {
  expect([...Object.keys(CASES), "serve-metrics"].sort()).toEqual(NEEDS.map(({ command }) => command).sort());
});
