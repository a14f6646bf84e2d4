import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../support/cli.ts";
import { TestCluster } from "../support/cluster.ts";
import { rawRedis } from "../support/redis.ts";

interface Keys {
  readonly base: string;
  readonly stream: string;
  readonly dlq: string;
}

/** A stream and its dead-letter queue, each with a group and an entry that is a day old. */
async function streamWithQueue(): Promise<Keys> {
  const redis = rawRedis();
  const base = uniqueKey("q");
  const [stream, dlq] = [`${base}:orders`, `${base}:orders:dlq`];
  for (const key of [stream, dlq]) {
    await redis.xadd(key, "0-1", "n", "read");
    await redis.xgroup("CREATE", key, "g", "0");
    await redis.xreadgroup("GROUP", "g", "c", "STREAMS", key, ">");
    await redis.xack(key, "g", "0-1");
    await redis.xdel(key, "0-1");
    await redis.xadd(key, "1-1", "n", key);
  }
  return { base, stream, dlq };
}

/** What names a stream in the rows that a command prints. */
function streamsIn(stdout: string): unknown[] {
  return [...new Set(ndjson(stdout).map((row) => row["stream"]))];
}

/** The command line with machine-readable rows. */
function json(argv: string[]): string[] {
  return [...argv.slice(0, 1), "-o", "ndjson", ...argv.slice(1)];
}

describe("a pattern leaves out dead-letter queues", () => {
  const argvs: [string, (pattern: string) => string[]][] = [
    ["a range", (pattern) => ["consume", pattern]],
    ["following", (pattern) => ["consume", pattern, "-f", "--from", "-", "--until-empty"]],
    ["a group's reader", (pattern) => ["consume", pattern, "-g", "g", "--until-empty"]],
    ["a worker", (pattern) => ["consume", pattern, "-g", "g", "--until-empty", "--exec", "cat"]],
    ["lag", (pattern) => ["lag", pattern]],
    ["ls", (pattern) => ["ls", pattern]],
    ["info", (pattern) => ["info", pattern]],
    ["trim", (pattern) => ["trim", pattern, "--maxlen", "10"]],
    ["group consumers", (pattern) => ["group", "consumers", pattern]],
  ];
  test.each(argvs)("%s", async (_, argv) => {
    const { base, stream } = await streamWithQueue();
    const { code, stdout, stderr } = await cli(json(argv(`${base}:*`)));
    expect(stderr).toContain("1 dead-letter queue");
    expect(code).toBe(0);
    expect(streamsIn(stdout)).toEqual([stream]);
  });

  test.each(argvs)("but not when it ends as their names do: %s", async (_, argv) => {
    const { base, dlq } = await streamWithQueue();
    const { code, stdout } = await cli(json(argv(`${base}:*:dlq`)));
    expect(code).toBe(0);
    expect(streamsIn(stdout)).toEqual([dlq]);
  });

  test.each(argvs)("as they are called by configuration, and no other: %s", async (_, argv) => {
    const redis = rawRedis();
    const { base, stream, dlq } = await streamWithQueue();
    const dead = `${base}:dead.orders`;
    await redis.xadd(dead, "1-1", "n", "1");
    const env = { STREAMCTL_DLQ_TEMPLATE: `${base}:dead.{stream}` };
    const { stdout } = await cli(json(argv(`${base}:*`)), { env });
    expect(new Set(streamsIn(stdout))).toEqual(new Set([stream, dlq]));
  });

  test("doctor and completion leave them out, too", async () => {
    const { base, stream, dlq } = await streamWithQueue();
    const doctor = await cli(["doctor", `${base}:*`, "-o", "ndjson"]);
    expect(streamsIn(doctor.stdout)).not.toContain(dlq);
    expect((await cli(["__complete", `streamctl lag ${base}:`])).stdout).toBe(`${stream}\n\tnothing\n`);
    // Who has typed so much means the queue.
    expect((await cli(["__complete", `streamctl lag ${base}:orders:`])).stdout).toBe(`${dlq}\n\tnothing\n`);
  });

  test("nothing but queues: exit 4, and what to do", async () => {
    const redis = rawRedis();
    const { base, stream } = await streamWithQueue();
    await redis.del(stream);
    const { code, stderr } = await cli(["consume", `${base}:*`]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/no stream but 1 dead-letter queue matching/);
  });

  test("a worker takes neither the queue of --dlq nor the stream of --emit, which it writes to", async () => {
    const redis = rawRedis();
    const { base, stream } = await streamWithQueue();
    const [dead, results] = [`${base}:dead`, `${base}:results`];
    await redis.xadd(dead, "1-1", "n", "dead");
    await redis.xadd(results, "1-1", "n", "result");
    const argv = ["consume", `${base}:*`, "-g", "w", "--create-group", "--until-empty", "--dlq", dead];
    const { code, stderr } = await cli([...argv, "--emit", results, "--exec", 'echo "$STREAMCTL_STREAM"']);
    expect(code).toBe(0);
    expect(stderr).toContain(results);
    expect((await redis.xrange(results, "-", "+")).map(([, fields]) => fields[1])).toEqual([
      "result",
      stream,
    ]);
  });
});

describe("a stream whose name is no UTF-8", () => {
  const argvs: [string, (pattern: string) => string[]][] = [
    ["a range", (pattern) => ["consume", pattern]],
    ["a worker", (pattern) => ["consume", pattern, "-g", "g", "--until-empty", "--exec", "cat"]],
    ["lag", (pattern) => ["lag", pattern]],
    ["ls", (pattern) => ["ls", pattern]],
  ];
  test.each(argvs)("is named on stderr, and the others are shown: %s", async (_, argv) => {
    const redis = rawRedis();
    const { base, stream } = await streamWithQueue();
    const odd = Buffer.concat([Buffer.from(`${base}:caf`), Buffer.from([0xe9])]);
    await redis.call("XADD", odd, "1-1", "n", "1");
    const { code, stdout, stderr } = await cli(json(argv(`${base}:*`)));
    await redis.del(odd);
    expect(code).toBe(0);
    expect(streamsIn(stdout)).toEqual([stream]);
    expect(stderr).toContain(`1 stream with a name that is no UTF-8: ${base}:caf\\xe9`);
  });
});

test("one node of a cluster tells that it sees its own streams alone", async () => {
  const cluster = await TestCluster.start(2);
  try {
    const { stderr } = await cli(["ls"], { url: cluster.url });
    expect(stderr).toContain("add --cluster");
    const whole = await cli(["ls", "--cluster"], { url: cluster.url });
    expect(whole.stderr).not.toContain("add --cluster");
  } finally {
    await cluster.stop();
  }
});
