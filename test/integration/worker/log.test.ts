import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { drain, fill, startWorker } from "../../support/worker.ts";

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
    const plain = ndjson((await cli(argv)).stderr);
    expect(plain).toMatchObject([{ level: "error", message: expect.stringContaining(stream) }]);
    expect(plain[0]).not.toHaveProperty("stack");
    const [verbose] = ndjson((await cli([...argv, "-v"])).stderr);
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
