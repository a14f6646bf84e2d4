import { describe, expect, test } from "vitest";
import { version } from "../../../src/version.ts";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { closedGate, drain, fill, startWorker } from "../../support/worker.ts";

const JSON_LOG = ["--log", "json"];
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe("a worker with --log json", () => {
  test("says each thing in one object with the facts of its entry", async () => {
    const stream = uniqueKey();
    const [id] = await fill(rawRedis(), stream, 1);
    const result = await drain(stream, "exit 9", [...JSON_LOG, "-v", "--max-deliveries", "2"]);
    expect(result).toMatchObject({ code: 0, stdout: "" });
    const lines = ndjson(result.stderr);
    for (const line of lines) {
      expect(line["time"]).toMatch(TIME);
      expect(line["level"]).toMatch(/^(debug|info|warn|error)$/);
      expect(line["message"]).toEqual(expect.any(String));
    }
    const facts = { stream, id, reason: "exit 9", durationMs: expect.any(Number) };
    expect(lines.filter(({ verdict }) => verdict !== undefined)).toMatchObject([
      { level: "info", verdict: "retry", deliveries: 1, retryInMs: expect.any(Number), ...facts },
      { level: "warn", verdict: "dead", deliveries: 2, ...facts },
    ]);
    expect(lines.at(-1)).toMatchObject({ level: "info", ok: 0, dead: 1, retried: 1 });
  });

  test("the handler's own stderr passes through as it is", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 1);
    const { stderr } = await drain(stream, "echo 'plain text' >&2", JSON_LOG);
    expect(stderr.split("\n")).toContain("plain text");
    expect(ndjson(stderr.replace("plain text\n", ""))).not.toEqual([]);
  });

  test("-o json adds no second form of the summary", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 1);
    const { stderr } = await drain(stream, "true", [...JSON_LOG, "-o", "json"]);
    const summaries = ndjson(stderr).filter((line) => "tookMs" in line);
    expect(summaries).toMatchObject([{ level: "info", ok: 1 }]);
  });

  test("an error is an object, too, with the stack when -v asks for it", async () => {
    const stream = uniqueKey();
    const argv = ["consume", stream, "-g", "nobody", "--exec", "true", ...JSON_LOG];
    const errors = (text: string) => ndjson(text).filter(({ level }) => level === "error");
    const plain = errors((await cli(argv)).stderr);
    expect(plain).toMatchObject([{ level: "error", message: expect.stringContaining(stream) }]);
    expect(plain[0]).not.toHaveProperty("stack");
    const [verbose] = errors((await cli([...argv, "-v"])).stderr);
    expect(verbose).toMatchObject({ level: "error", stack: expect.stringContaining("\n    at ") });
  });

  test("an error before the run has begun, too", async () => {
    const argv = ["consume", "s", "-g", "g", "--exec", "true", ...JSON_LOG, "--profile", "none"];
    const { code, stderr } = await cli(argv);
    expect(code).toBe(2);
    expect(ndjson(stderr)).toMatchObject([{ level: "error" }]);
  });

  test("control characters from messages are escaped: stderr may be a terminal", async () => {
    const stream = uniqueKey("evil\u009b31m\u202e");
    await fill(rawRedis(), stream, 1);
    const { stderr } = await drain(stream, "exit 65", JSON_LOG);
    expect(stderr).not.toMatch(/[\u0080-\u009f\u202e]/);
    expect(ndjson(stderr).find(({ verdict }) => verdict === "dead")).toMatchObject({ stream });
  });

  test("draws no status line on a terminal", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 3);
    const { stderr } = await drain(stream, "sleep 0.2", JSON_LOG, { columns: 80 });
    expect(stderr).not.toContain("\u001b");
  });
});

describe("a worker's log", () => {
  test("begins with who it is, and every line says when", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 2);
    const { stderr } = await drain(stream, "exit 65", ["--consumer", "me", "-j", "2"]);
    const lines = stderr.trimEnd().split("\n");
    for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\S+Z streamctl: /);
    const who = `working on ${stream} for group g as me, -j 2`;
    expect(lines[0]).toMatch(new RegExp(`${who} \\(streamctl ${version}, \\w+ [\\d.]+ at redis://\\S+\\)$`));
  });

  test("as JSON has consumer, group and stream in each line", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 2);
    const { stderr } = await drain(stream, "exit 65", [...JSON_LOG, "-v", "--consumer", "me"]);
    const lines = ndjson(stderr);
    for (const line of lines) expect(line).toMatchObject({ stream, group: "g", consumer: "me" });
    expect(lines[0]).toMatchObject({
      version,
      server: expect.any(String),
      target: expect.any(String),
      jobs: 1,
    });
  });

  test("says at the first signal that it is stopping, what is in hand and how long it waits", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const gate = await closedGate();
    const worker = startWorker(stream, gate.wait, [...JSON_LOG, "--shutdown-timeout", "60s"]);
    await until("it runs", async () => Number((await redis.xpending(stream, "g").catch(() => [0]))[0]) === 1);
    worker.signal("SIGTERM");
    await gate.open();
    const { code, stderr } = await worker.done;
    expect(code).toBe(0);
    expect(ndjson(stderr).filter(({ signal }) => signal !== undefined)).toMatchObject([
      {
        signal: "SIGTERM",
        inFlight: 1,
        message: expect.stringMatching(`^stopping at SIGTERM: [01] running, 1 in hand \\(${stream} ${id}\\)`),
      },
    ]);
  });

  test("of hundreds of dead letters has a few, and sums up the rest", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 300);
    const { stderr } = await drain(stream, "exit 65", [...JSON_LOG, "-j", "4"]);
    const dead = ndjson(stderr).filter(({ verdict }) => verdict === "dead");
    expect(dead.length).toBeLessThan(100);
    const sum = dead.reduce((total, { count }) => total + Number(count ?? 1), 0);
    expect(sum).toBe(300);
    // On a slow machine in more than one stretch of time, each with its sum.
    expect(dead).toContainEqual(
      expect.objectContaining({
        message: expect.stringMatching(/more were dead-lettered within 10s, the last: .* exit 65$/),
      }),
    );
  });

  test("has all of them with -v, and none with -q", async () => {
    const [verbose, quiet] = [uniqueKey(), uniqueKey()];
    for (const stream of [verbose, quiet]) await fill(rawRedis(), stream, 30);
    const loud = await drain(verbose, "exit 65", [...JSON_LOG, "-v"]);
    expect(ndjson(loud.stderr).filter(({ verdict }) => verdict === "dead")).toHaveLength(30);
    expect((await drain(quiet, "exit 65", ["-q"])).stderr).toBe("");
  });
});

describe("a worker on a terminal", () => {
  test("shows rate, what runs, what came of it and the lag", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 4);
    const times = ["--kill-after", "100ms"];
    const worker = startWorker(stream, "test $STREAMCTL_DELIVERIES = 1 || exec sleep 30; exit 1", times, {
      columns: 80,
    });
    await until("the line is whole", () =>
      /\d\/s {2}1 running {2}0 ok {2}[1-9] retried {2}0 dead {2}lag \d/.test(worker.stderr),
    );
  });

  test("an unknown format is a usage error", async () => {
    const result = await cli(["consume", "s", "--log", "xml"]);
    expect(result.code).toBe(2);
  });
});
