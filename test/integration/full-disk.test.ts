import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../support/cli.ts";
import { FULL, fullStdout, hasFull } from "../support/full-disk.ts";
import { rawRedis } from "../support/redis.ts";
import { pendingIn } from "../support/worker.ts";

/** Two entries, of which group g was given one that stands in the dead-letter queue, too. */
async function filled(): Promise<string> {
  const redis = rawRedis();
  const key = uniqueKey();
  for (const n of [1, 2]) await redis.xadd(key, `${n}-0`, "n", String(n));
  await redis.xgroup("CREATE", key, "g", "0");
  await redis.xreadgroup("GROUP", "g", "other", "COUNT", 1, "STREAMS", key, ">");
  await redis.xadd(`${key}:dlq`, "1-0", "n", "1", "dlq.id", "1-0", "dlq.group", "g");
  return key;
}

describe.skipIf(!hasFull)("with no room under stdout (needs /dev/full)", () => {
  test.each([
    ["--version"],
    ["--help"],
    ["consume --help"],
    ["consume KEY"],
    ["consume KEY -o table"],
    ["consume KEY -o json"],
    ["consume KEY -o csv"],
    ["consume KEY -o raw"],
    ["consume KEY -f --from - --count 2"],
    ["consume KEY -g g --until-empty"],
    ["ls KEY*"],
    ["ls KEY* -o json"],
    ["info KEY"],
    ["lag KEY"],
    ["lag KEY -o prometheus"],
    ["pending KEY -g g"],
    ["pending KEY -g g --list --payload"],
    ["dlq list KEY"],
    ["dlq list KEY --by reason"],
    ["dlq show KEY 1-0"],
    ["group consumers KEY g"],
    ["ack KEY -g g 1-0"],
    ["claim KEY -g g 1-0 --to me"],
    ["dlq replay KEY 1-0 --dry-run"],
    ["produce KEY a=1"],
    ["produce KEY --ids"],
    ["doctor"],
    ["config show"],
    ["completion bash"],
  ])("%s says so and exits 1", async (line) => {
    const key = await filled();
    const argv = line.split(" ").map((word) => word.replace("KEY", key));
    const { code, stderr } = await cli(argv, { stdout: fullStdout(), stdin: '{"a":"1"}\n' });
    expect(stderr).toContain("could not write to stdout: ENOSPC");
    expect(stderr.match(/ENOSPC: /g)).toHaveLength(1);
    expect(code).toBe(1);
  });

  test("produce still says how much is in Redis", async () => {
    const { code, stderr } = await cli(["produce", uniqueKey(), "--ids", "-o", "json"], {
      stdout: fullStdout(),
      stdin: '{"a":"1"}\n{"a":"2"}\n',
    });
    expect(ndjson(stderr.split("\n")[0] ?? "")).toMatchObject([
      { inRedis: 2, error: expect.stringContaining("could not write to stdout: ENOSPC") },
    ]);
    expect(code).toBe(1);
  });

  test("lag --check says UNKNOWN by its code alone", async () => {
    const key = await filled();
    const { code } = await cli(["lag", key, "--check", "--warn-lag", "9"], { stdout: fullStdout() });
    expect(code).toBe(3);
  });

  test("what could not be printed is not acked", async () => {
    const key = await filled();
    const { code, stderr } = await cli(["consume", key, "-g", "g", "--until-empty"], {
      stdout: fullStdout(),
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/acked 0/);
    expect(await pendingIn(rawRedis(), key)).toBe(2);
  });
});

test.skipIf(!hasFull)("with no room for --rejects produce says which file (needs /dev/full)", async () => {
  const argv = ["produce", uniqueKey(), "--on-error", "skip", "--rejects", FULL];
  const { code, stderr } = await cli(argv, { stdin: '{"a":"1"}\nbad\n{"a":"2"}\n' });
  expect(stderr).toContain("streamctl: error: could not write /dev/full: ENOSPC");
  expect(stderr).toMatch(/2 entries/);
  expect(code).toBe(1);
});
