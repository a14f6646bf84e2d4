import { Cluster } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { cli, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { rawRedis } from "../../support/redis.ts";
import { deadLetters, drain, fill, pendingIn, workerArgv } from "../../support/worker.ts";

/** A persistent handler in shell: `body` for each line, with the values of n and deliveries. */
function loop(body: string): string {
  return `while read -r l; do n=\${l#*'"n":"'}; n=\${n%%'"'*}; d=\${l#*'"deliveries":'}; d=\${d%%,*}; ${body}; done`;
}

type Entries = { xrange: (key: string, from: string, to: string) => Promise<[string, string[]][]> };

async function outputs(redis: Entries, stream: string): Promise<string[][]> {
  return (await redis.xrange(stream, "-", "+")).map(([, fields]) => fields);
}

describe("what a persistent command emits", () => {
  test("before its answer is that entry's output, in order, also with many entries ahead", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const out = `${stream}:out`;
    await fill(redis, stream, 120);
    const emit = `printf 'emit {"of":"%s"}\\nemit  plain %s \\nemit\\nok\\n' $n $n`;
    const result = await drain(stream, loop(emit), ["--persistent", "--emit", out]);
    expect(result.stderr).toContain("120 ok, 0 dead-lettered, 0 retried");
    // Those of one entry come in one step; which entry's come first is not said.
    const all = await outputs(redis, out);
    const pairs = Array.from({ length: 120 }, (_, at) => all.slice(2 * at, 2 * at + 2));
    const byEntry = pairs.toSorted(([a], [b]) => Number(a?.[1]) - Number(b?.[1]));
    expect(all).toHaveLength(240);
    expect(byEntry).toEqual(
      Array.from({ length: 120 }, (_, n) => [
        ["of", String(n)],
        ["payload", ` plain ${n} `],
      ]),
    );
  });

  test("is forgotten when the answer is no ok, when none comes, and when the command fails", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const out = `${stream}:out`;
    await fill(redis, stream, 6);
    const emit = `echo "emit $n of $d"; case $n-$d in
      0-1) echo retry in 20ms;; 1-1) echo dead no;; 2-1) exit 3;; 3-1) echo nonsense;; 4-1) kill -9 $$;; *) echo ok;; esac`;
    const result = await drain(stream, loop(emit), ["--persistent", "--emit", out]);
    expect(result.stderr).toContain("5 ok, 1 dead-lettered, 4 retried");
    const texts = (await outputs(redis, out)).map(([, text]) => String(text));
    expect(new Set(texts)).toEqual(new Set(["0 of 2", "2 of 2", "3 of 2", "4 of 2", "5 of 1"]));
    expect(texts).toHaveLength(5);
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("above 16 MiB dead-letters its entry, and no other", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const out = `${stream}:out`;
    await fill(redis, stream, 2);
    const line = "head -c 1000000 /dev/zero | tr '\\0' x";
    const emit = `echo emit small; if [ $n = 0 ]; then i=0; while [ $i -lt 18 ]; do printf 'emit '; ${line}; echo; i=$((i + 1)); done; fi; echo ok`;
    const result = await drain(stream, loop(emit), ["--persistent", "--emit", out]);
    expect(result.stderr).toContain("1 ok, 1 dead-lettered, 0 retried");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { n: "0", "dlq.reason": "printed more than 16 MiB" },
    ]);
    expect(await outputs(redis, out)).toEqual([["payload", "small"]]);
  });

  test("is nonsense without --emit, and the reason says so", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await drain(stream, loop("echo emit x; echo ok"), ["--persistent", "--max-deliveries", "1"]);
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { "dlq.reason": 'answered nonsense: "emit x", without --emit' },
    ]);
  });

  test("reaches a stream in another slot once", async () => {
    const cluster = await TestCluster.start();
    onTestFinished(() => cluster.stop());
    const [stream, out] = ["{a}orders", "{b}out"];
    const redis = new Cluster([cluster.url]);
    onTestFinished(() => redis.disconnect());
    for (const n of ["0", "1"]) await redis.xadd(stream, "*", "n", n);
    const argv = workerArgv(
      stream,
      loop('echo "emit $n"; echo ok'),
      "--until-empty",
      "--cluster",
      "--persistent",
      "--emit",
      out,
    );
    const result = await cli(argv, { url: cluster.url });
    expect(result.stderr).toContain("2 ok");
    expect(await outputs(redis, out)).toEqual([
      ["payload", "0"],
      ["payload", "1"],
    ]);
  });
});
