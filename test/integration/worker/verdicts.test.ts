import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { cli, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { deadLetters, drain, fill, pendingIn } from "../../support/worker.ts";

describe("the worker and its verdicts", () => {
  test("exit 0 acks, exit 65 dead-letters at once, and nothing stays pending", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 12);
    const poison = 'read line; case $line in *\'"n":"7"\'*) echo "bad order" >&2; exit 65;; esac';
    const result = await drain(stream, poison, ["-j", "4"]);
    expect(result).toMatchObject({ code: 0, stdout: "" });
    expect(result.stderr).toContain("11 ok, 1 dead-lettered, 0 retried");
    expect(await pendingIn(redis, stream)).toBe(0);
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      {
        n: "7",
        "dlq.stream": stream,
        "dlq.group": "g",
        "dlq.deliveries": "1",
        "dlq.reason": "exit 65",
        "dlq.exit": "65",
        "dlq.stderr": "bad order\n",
        "dlq.replays": "0",
      },
    ]);
  });

  test("a dead letter keeps the original fields first: in order, repeated, binary, empty, and named dlq.x", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const original = ["b", "1", "a", Buffer.from([0, 255, 10]), "b", "2", "", "", "dlq.reason", "mine"];
    const id = await redis.xadd(stream, "*", ...original);
    await drain(stream, "exit 100");
    const [[, fields] = ["", []]] = (await redis.xrangeBuffer(`${stream}:dlq`, "-", "+")) as unknown as [
      string,
      Buffer[],
    ][];
    expect(fields.slice(0, original.length)).toEqual(original.map((part) => Buffer.from(part as string)));
    const facts = fields.slice(original.length).map(String);
    expect(facts.filter((_, i) => i % 2 === 0)).toEqual(
      "stream id group consumer deliveries reason exit stderr failed-at replays deliveries-total"
        .split(" ")
        .map((name) => `dlq.${name}`),
    );
    expect(facts[3]).toBe(id);
  });

  test("failures are retried with a growing count, then dead-lettered with the last reason", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const result = await drain(
      stream,
      'echo "try $STREAMCTL_DELIVERIES"; echo "no $STREAMCTL_DELIVERIES" >&2; exit 9',
      ["--max-deliveries", "3"],
    );
    expect(result.stdout).toBe("try 1\ntry 2\ntry 3\n");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { "dlq.deliveries": "3", "dlq.reason": "exit 9", "dlq.stderr": "no 3\n" },
    ]);
  });

  test("a failure that passes is no dead letter", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const result = await drain(stream, 'test "$STREAMCTL_DELIVERIES" -ge 3');
    expect(result.stderr).toContain("1 ok, 0 dead-lettered, 2 retried");
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
  });

  test("death by a signal is a failure with the signal's name", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await drain(stream, "kill -9 $$", ["--max-deliveries", "1"]);
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { "dlq.reason": "signal KILL", "dlq.exit": "SIGKILL" },
    ]);
  });

  test("--dead-on adds codes, --fail-on-dead exits 5", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const result = await drain(stream, "exit 3", ["--dead-on", "2,3", "--fail-on-dead"]);
    expect(result.code).toBe(5);
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { "dlq.deliveries": "1" },
      { "dlq.deliveries": "1" },
    ]);
  });

  test.each([
    ["a command that is not there", ["--exec", "/no/such/file"], "not found"],
    ["a program that is not there", ["--", "/no/such/file"], "not found"],
    ["a file that is not executable", ["--exec", "/etc/passwd"], "not executable"],
  ])("%s stops the worker: nothing is counted or dead-lettered", async (_, command, message) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const result = await cli([
      "consume",
      stream,
      "-g",
      "g",
      "--create-group",
      "--until-empty",
      "-j",
      "2",
      ...command,
    ]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(message);
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
    const rows = (await redis.xpending(stream, "g", "-", "+", 10)) as [string, string, number, number][];
    for (const row of rows) expect(row[3]).toBe(0);
    const again = await drain(stream, 'test "$STREAMCTL_DELIVERIES" = 1');
    expect(again.stderr).toContain("3 ok, 0 dead-lettered, 0 retried");
  });

  test("--delete removes what was acked, and only that", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    await drain(stream, 'read l; case $l in *\'"n":"1"\'*) exit 65;; esac', ["--delete"]);
    expect((await redis.xrange(stream, "-", "+")).map(([, fields]) => fields)).toEqual([["n", "1"]]);
  });

  test("--delete leaves an entry that another group still needs to the last group that acks it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [first] = await fill(redis, stream, 2);
    await redis.xgroup("CREATE", stream, "other", "0");
    await redis.xreadgroup("GROUP", "other", "c", "COUNT", 1, "STREAMS", stream, ">");
    await drain(stream, "exit 0", ["--delete"]);
    expect(await redis.xlen(stream)).toBe(2);
    await redis.xack(stream, "other", first as string);
    const argv = ["consume", stream, "-g", "other", "--delete", "--until-empty", "--exec", "exit 0"];
    expect((await cli(argv)).code).toBe(0);
    // The first was acked by hand, which deletes nothing.
    expect((await redis.xrange(stream, "-", "+")).map(([id]) => id)).toEqual([first]);
  });

  test("an entry with more values than a script can pass is dead-lettered whole", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const fields = Array.from({ length: 10_000 }, (_, i) => [`f${i}`, String(i)]).flat();
    await redis.xadd(stream, "*", ...fields);
    const result = await drain(stream, "exit 65");
    expect(result.stderr).toContain("1 dead-lettered");
    const [[, kept] = ["", []]] = await redis.xrange(`${stream}:dlq`, "-", "+");
    expect(kept.slice(0, fields.length)).toEqual(fields);
    expect(await pendingIn(redis, stream)).toBe(0);
    expect(await redis.keys(`*${stream}*moved*`)).toEqual([]);
  });

  test("a marker left by a crash between the two steps keeps the second try from doubling the record", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const fields = Array.from({ length: 4_500 }, (_, i) => [`f${i}`, String(i)]).flat();
    const id = await redis.xadd(stream, "*", ...fields);
    await redis.set(`${stream}:dlq:moved:${stream}:g:${id}`, "1");
    await drain(stream, "exit 65");
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("a dead-letter queue that is no stream stops the worker and loses nothing", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await redis.set(`${stream}:dlq`, "a string");
    const result = await drain(stream, "exit 65");
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`${stream}:dlq is a string, not a stream`);
    expect(await pendingIn(redis, stream)).toBe(1);
  });

  test("a worker's key that is no stream is named with what it holds", async () => {
    const stream = uniqueKey();
    await rawRedis().sadd(stream, "x");
    const result = await drain(stream, "true");
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`${stream} is a set, not a stream`);
  });

  test("--dlq names another queue", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await drain(stream, "exit 65", ["--dlq", `${stream}:graveyard`]);
    expect(await redis.xlen(`${stream}:graveyard`)).toBe(1);
  });

  test.each([
    ["through a waiting shell", []],
    ["as a process of its own", ["--env-fields"]],
  ])("a run past --timeout %s is ended with its children, even when they ignore TERM", async (_, way) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    // Told apart from every other sleep on this machine by its length.
    const length = `61.${process.pid}${Date.now()}`;
    const stubborn = `trap '' TERM; (trap '' TERM; sleep ${length}; sleep ${length}) & sleep ${length}; sleep ${length}`;
    const times = ["--timeout", "2s", "--kill-after", "200ms", "--max-deliveries", "1"];
    const draining = drain(stream, stubborn, [...way, ...times]);
    await until("the handler and its child run", async () => (await runningWith(`sleep\0${length}`)) === 2);
    expect((await draining).code).toBe(0);
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ "dlq.reason": "timeout 2.0s" }]);
    expect(await runningWith(`sleep\0${length}`)).toBe(0);
  });
});

/** How many live processes have this in their command line. */
async function runningWith(text: string): Promise<number> {
  let count = 0;
  for (const pid of await readdir("/proc")) {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (line.startsWith(text)) count++;
  }
  return count;
}
