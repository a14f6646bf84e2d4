import { afterAll, describe, expect, inject, test } from "vitest";
import { type CliOptions, type CliResult, CliRun, ndjson, uniqueKey } from "../support/cli.ts";
import { checkPrintout, mustMatch } from "../support/contract/check.ts";
import { SHAPES } from "../support/contract/schemas.ts";
import { metricsUrl } from "../support/http.ts";
import { rawRedis, until } from "../support/redis.ts";
import { drain, fill, workerArgv } from "../support/worker.ts";

/**
 * Each schema of docs/schemas meets what a real command prints, to the letter: every run of `cli` is compared, here
 * and in every other test. Here each schema has its turn, and each field that is not always there.
 */

const seen = new Map<string, Set<string>>();

/** Of these nothing is printed yet: the form has a place for it. */
const RESERVED = ["entry.idleMs"];

async function look(argv: readonly string[], { stdout, stderr }: CliResult): Promise<void> {
  for (const [name, value] of await checkPrintout({ argv, stdout, stderr })) note(name, value);
}

function note(name: string, value: object): void {
  const fields = seen.get(name) ?? new Set();
  for (const field of Object.keys(value)) fields.add(field);
  seen.set(name, fields);
}

/** Runs to its end; `exits` is what it has to end with. */
async function run(
  argv: readonly string[],
  options: CliOptions & { exits?: number } = {},
): Promise<CliResult> {
  const result = await new CliRun(argv, options).done;
  expect(result.code, `${argv.join(" ")}: ${result.stderr}`).toBe(options.exits ?? 0);
  await look(argv, result);
  return result;
}

/** Runs until it has printed what is waited for. */
async function runUntil(
  argv: readonly string[],
  isThere: (run: CliRun) => unknown,
  options: CliOptions = {},
): Promise<void> {
  const going = new CliRun(argv, options);
  try {
    await until(`${argv.join(" ")} has printed it`, () => isThere(going));
  } finally {
    going.signal("SIGTERM");
    await look(argv, await going.done);
  }
}

const lines = (text: string): number => text.split("\n").length - 1;

// Tests of a file may come in any order; this looks at all of them.
afterAll(() => {
  const missing = Object.entries(SHAPES).flatMap(([name, { fields }]) =>
    Object.keys(fields)
      .map((field) => `${name}.${field}`)
      .filter((path) => !RESERVED.includes(path) && !seen.get(name)?.has(path.slice(name.length + 1))),
  );
  expect(missing, "what no command of this file has printed").toEqual([]);
});

describe("what commands print is what docs/schemas says:", () => {
  test("produce and consume", async () => {
    const key = uniqueKey();
    await run(["produce", key, "a=1", "-o", "json"]);
    await run(["produce", key, "--partitions", "2", "--partition-by", "a", "-o", "json"], {
      stdin: '{"a":"1"}\n',
    });
    const rejects = ["--on-error", "skip", "-o", "json", "--ids"];
    await run(["produce", key, ...rejects], { stdin: '{"a":"2"}\nnothing\n', exits: 5 });
    const pairs = '{"fields":[["a","1"],["a","2"],[{"base64":"/w=="},{"base64":"/w=="}]]}\n';
    await run(["produce", key, "--input", "entries"], { stdin: pairs });
    await run(["consume", key]);
    await run(["consume", key, "-o", "json", "--where", "a=1"]);
    await run(["consume", key, "-g", "g", "--create-group", "--count", "1", "-o", "json"]);
    await run(["consume", key, "-g", "g", "--until-empty", "--where", "b", "--ack-unmatched", "-o", "json"]);
  });

  test("pending, claim, ack and groups", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const ids = await fill(redis, key, 4);
    await run(["group", "create", key, "g"]);
    await redis.xreadgroup("GROUP", "g", "a", "COUNT", 3, "STREAMS", key, ">");
    await redis.xdel(key, ids[1] ?? "");
    const on = [key, "-g", "g"];
    await run(["pending", ...on]);
    await run(["show", key, ids[0] ?? "", ids[3] ?? ""]);
    await run(["pending", ...on, "--list", "--claim-idle", "1m", "--payload"]);
    await run(["lag", key]);
    await run(["ls", key]);
    await run(["info", key]);
    await run(["doctor", key]).catch(() => run(["doctor", key], { exits: 6 }));
    await runUntil(["lag", key, "--watch", "--interval", "50ms"], ({ stdout }) => lines(stdout) >= 3);
    await run(["claim", ...on, "--all", "--to", "b", "--drop-missing", "-y"]);
    await run(["ack", ...on, ids[0] ?? ""]);
    await redis.xclaim(key, "g", "b", 0, ids[2] ?? "", "IDLE", 70_000, "JUSTID");
    await run(["release", ...on, "--all"]);
    await run(["dlq", "add", ...on, ids[2] ?? "", "-y"]);
    await redis.set(`${key}:done:g:42`, ids[0] ?? "", "EX", 60);
    await run(["dedupe", "list", ...on]);
    await run(["dedupe", "forget", ...on, "42"]);
    await run(["group", "consumers", ...on]);
    await run(["group", "pause", key, "g", "--reason", "deploy", "--for", "1h"]);
    await run(["lag", key]);
    await run(["group", "resume", key, "g"]);
    await run(["group", "forget-consumer", key, "b", "-g", "g", "--claim-to", "c"]);
    await run(["group", "set-id", key, "g", "--at", "0", "-y"]);
    await run(["group", "destroy", key, "g", "-y"]);
    await run(["trim", key, "--maxlen", "1", "--exact"]);
    await run(["trim", key, "--maxlen", "0", "--exact", "--dry-run"]);
  });

  test("dead letters", async () => {
    const key = uniqueKey();
    await fill(rawRedis(), key, 3);
    await drain(key, "echo no such customer >&2; exit 65");
    const { stdout } = await run(["dlq", "list", key]);
    const [letter] = ndjson(stdout);
    for (const by of ["reason", "group", "consumer", "hour"]) await run(["dlq", "list", key, "--by", by]);
    await run(["dlq", "show", key, String(letter?.["id"])]);
    await run(["dlq", "replay", key, "--all", "--dry-run", "-o", "json"]);
    await run(["dlq", "replay", key, String(letter?.["id"]), "-o", "json"]);
    await run(["dlq", "purge", key, "--all", "--dry-run"]);
    await run(["dlq", "purge", key, "--all", "-y", "-o", "json"]);
    // As copies, without a fact of their own.
    const copy = await run(["produce", `${key}:dlq`, "a=1"]);
    await run(["dlq", "show", key, copy.stdout.trim()]);
    await run(["dlq", "list", key, "--by", "reason"]);
  });

  test("what is added later", async () => {
    const key = uniqueKey();
    await run(["produce", key, "a=1", "--delay", "1h", "-o", "json"]);
    await run(["produce", key, "--delay", "1h", "-o", "json"], { stdin: '{"a":"2"}\n' });
    await run(["schedule", "list", key]);
    await run(["schedule", "cancel", key, "--all", "--dry-run"]);
    await run(["schedule", "cancel", key, "--all", "-y", "-o", "json"]);
    await run(["schedule", "run", key, "--once", "-o", "json"]);
  });

  test("times that RFC 3339 can't write, which has four digits for a year", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const late = "253402300800000-0";
    await redis.xadd(`${key}:dlq`, late, "a", "1");
    const { stdout } = await run(["dlq", "show", key, late]);
    expect(ndjson(stdout)).toMatchObject([{ id: late, deadLetteredAt: null }]);
    const hours = await run(["dlq", "list", key, "--by", "hour"]);
    expect(ndjson(hours.stdout)).toEqual([{ key: null, count: 1, oldest: null, newest: null }]);
    const wrapped = uniqueKey();
    const times = ["253402300800000", "+012345-01-01T00:00:00Z", "-000001-01-01T00:00:00Z"];
    for (const [at, failed] of times.entries())
      await redis.xadd(
        `${wrapped}:dlq`,
        `${at + 1}-0`,
        "original_id",
        "1-0",
        "payload",
        "{}",
        "failed_at",
        failed,
      );
    const list = ndjson((await run(["dlq", "list", wrapped])).stdout);
    expect(list.map(({ failedAt }) => failedAt)).toEqual([null, null, null]);
  });

  test("configuration and a sandbox", async () => {
    await run(["config", "show"]);
    const env = { STREAMCTL_REDIS_SERVER: inject("redisExecutable") };
    await runUntil(["sandbox", "--json"], ({ stdout }) => lines(stdout) === 1, { env });
  });

  test("a worker's summary, and what its handlers get", async () => {
    const key = uniqueKey();
    await fill(rawRedis(), key, 2);
    const { stdout } = await run(workerArgv(key, "cat", "--until-empty", "-o", "json"));
    for (const entry of ndjson(stdout)) {
      await mustMatch("entry", entry);
      note("entry", entry);
    }
  });

  test("a worker's log", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const log = ["--log", "json", "-v"];
    await fill(redis, key, 2);
    await redis.xgroup("CREATE", key, "g", "0");
    // One whose worker died, and one that is gone; both come by a take-over.
    await redis.xreadgroup("GROUP", "g", "dead", "COUNT", 1, "STREAMS", key, ">");
    const gone = await fill(redis, `${key}:gone`, 1);
    await redis.xgroup("CREATE", `${key}:gone`, "g", "0");
    await redis.xreadgroup("GROUP", "g", "dead", "COUNT", 1, "STREAMS", `${key}:gone`, ">");
    await redis.xdel(`${key}:gone`, ...gone);
    const failing = workerArgv(key, "exit 9", "--until-empty", "--max-deliveries", "2", ...log);
    await run(failing.toSpliced(2, 0, `${key}:gone`));
    await runUntil(
      workerArgv(key, "true", "--metrics-port", "0", ...log),
      (going) => metricsUrl(going) !== undefined,
    );
    await run(["consume", key, "-g", "nobody", "--exec", "true", ...log], { exits: 4 });
  });
});
