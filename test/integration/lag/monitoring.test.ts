import { describe, expect, test } from "vitest";
import { cli, uniqueKey } from "../../support/cli.ts";
import { Exposition } from "../../support/prometheus.ts";
import { rawRedis } from "../../support/redis.ts";

async function backlog(
  entries: number,
  read = 0,
): Promise<{ redis: ReturnType<typeof rawRedis>; key: string }> {
  const redis = rawRedis();
  const key = uniqueKey();
  for (let n = 0; n < entries; n++) await redis.xadd(key, "*", "a", "1");
  await redis.xgroup("CREATE", key, "g", "0");
  if (read > 0) await redis.xreadgroup("GROUP", "g", "c", "COUNT", read, "STREAMS", key, ">");
  return { redis, key };
}

describe("--check", () => {
  test.each([
    ["OK", 0, ["--warn-lag", "5", "--crit-lag", "10"]],
    ["WARNING", 1, ["--warn-lag", "4", "--crit-lag", "10"]],
    ["CRITICAL", 2, ["--warn-lag", "1", "--crit-lag", "4"]],
    ["CRITICAL", 2, ["--warn-lag", "1", "--crit-pending", "1"]],
    ["WARNING", 1, ["--warn-pending", "1", "--crit-pending", "2"]],
    ["OK", 0, ["--warn-age", "1h", "--crit-age", "2h"]],
  ])("%s is one line with performance data, and exit %i: %j", async (status, code, flags) => {
    const { key } = await backlog(7, 2);
    const result = await cli(["lag", key, "--check", ...flags]);
    expect(result).toMatchObject({ code, stderr: "" });
    expect(result.stdout).toMatch(new RegExp(`^LAG ${status} - [^|\\n]+ \\| [^|\\n]+\\n$`));
    expect(result.stdout).toContain(`'${key} g lag'=5;`);
    expect(result.stdout).toContain(`'${key} g pending'=2;`);
  });

  test("ages are those of the oldest entry that waits", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const [seconds] = await redis.time();
    await redis.xadd(key, `${Number(seconds) * 1_000 - 600_000}-0`, "a", "1");
    await redis.xgroup("CREATE", key, "g", "0");
    const result = await cli(["lag", key, "--check", "--warn-age", "5m", "--crit-age", "1h"]);
    expect(result.code).toBe(1);
    expect(result.stdout).toMatch(/oldest undelivered 10m.*, above 5m/);
  });

  test("a bound is told on which side of the limits it is, however little is to be counted", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    for (let n = 1; n <= 300; n++) await redis.xadd(key, `${n}-0`, "a", "1");
    await redis.xgroup("CREATE", key, "g", "100-0");
    await redis.xdel(key, "250-0");
    const result = await cli(["lag", key, "--check", "--crit-lag", "198", "--count-limit", "10"]);
    expect(result.code).toBe(2);
  });

  const anywhere = ["--warn-lag", "1"];
  test.each<[string, () => string[], RegExp]>([
    ["no server", () => ["x", ...anywhere, "-u", "redis://127.0.0.1:1"], /could not connect/],
    ["no such stream", () => [uniqueKey("nowhere"), ...anywhere], /no such stream/],
    ["a limit that is no number", () => ["x", "--crit-lag", "many"], /whole number/],
    ["an unknown flag", () => ["x", "--crti-lag", "1"], /unknown option/],
    ["limits the wrong way round", () => ["x", "--warn-lag", "2", "--crit-lag", "1"], /--warn-lag is above/],
    ["no limit at all", () => ["x"], /--check needs a limit/],
    ["two ways to answer", () => ["x", ...anywhere, "--wait"], /exclude each other/],
    [
      "a configuration that is not there",
      () => ["x", ...anywhere, "--config", "/no/where"],
      /no such config/,
    ],
  ])("%s is UNKNOWN: exit 3, in one line on stdout", async (_, args, reason) => {
    const result = await cli(["lag", "--check", ...args()]);
    expect(result.code).toBe(3);
    expect(result.stdout).toMatch(/^LAG UNKNOWN - [^\n]+\n$/);
    expect(result.stdout).toMatch(reason);
  });

  test("no groups are UNKNOWN, not fine", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "*", "a", "1");
    const result = await cli(["lag", key, "--check", "--warn-lag", "1"]);
    expect(result).toMatchObject({ code: 3, stdout: "LAG UNKNOWN - there are no groups\n" });
    const group = await cli(["lag", key, "-g", "g", "--check", "--warn-lag", "1"]);
    expect(group).toMatchObject({ code: 3, stdout: expect.stringContaining(`no group "g" on ${key}`) });
  });

  test("asked for by the environment it answers in the same way", async () => {
    const env = { STREAMCTL_CHECK: "true", STREAMCTL_WARN_LAG: "1" };
    const result = await cli(["lag", uniqueKey("nowhere")], { env });
    expect(result).toMatchObject({ code: 3, stdout: expect.stringMatching(/^LAG UNKNOWN/) });
  });

  test("limits without --check would do nothing: exit 2", async () => {
    const result = await cli(["lag", "x", "--crit-lag", "1"]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toContain("--crit-lag goes with --check");
  });
});

describe("-o prometheus", () => {
  test("is what a textfile collector takes, with names escaped and nothing for the unknown", async () => {
    const redis = rawRedis();
    const key = `${uniqueKey()}:"quoted"\\back\nline`;
    for (let n = 1; n <= 300; n++) await redis.xadd(key, `${n}-0`, "a", "1");
    await redis.xgroup("CREATE", key, "bounded", "100-0");
    await redis.xdel(key, "250-0");
    await redis.xgroup("CREATE", key, "new", "0");
    await redis.xreadgroup("GROUP", "new", "c", "COUNT", 3, "STREAMS", key, ">");
    const { code, stdout, stderr } = await cli(["lag", key, "-o", "prometheus", "--count-limit", "10"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const metrics = new Exposition(stdout);
    const bounded = { stream: key, group: "bounded" };
    expect(metrics.value("streamctl_group_pending_entries", { stream: key, group: "new" })).toBe(3);
    expect(metrics.value("streamctl_group_pending_entries", bounded)).toBe(0);
    expect(metrics.value("streamctl_group_lag_entries", bounded)).toBeUndefined();
    expect(metrics.value("streamctl_group_lag_at_least_entries", bounded)).toBeGreaterThanOrEqual(10);
    expect(metrics.value("streamctl_group_oldest_undelivered_seconds", bounded)).toBeUndefined();
  });

  test("goes with thresholds", async () => {
    const { key } = await backlog(2);
    const result = await cli(["lag", key, "-o", "prometheus", "--max-lag", "1"]);
    expect(result.code).toBe(6);
    expect(
      new Exposition(result.stdout).value("streamctl_group_lag_entries", { stream: key, group: "g" }),
    ).toBe(2);
  });

  test("is for lag alone: exit 2 elsewhere, and a typo is told the formats there are", async () => {
    const ls = await cli(["ls", "-o", "prometheus"]);
    expect(ls).toMatchObject({ code: 2, stdout: "" });
    expect(ls.stderr).toContain("-o prometheus is for lag alone");
    expect((await cli(["ls", "-o", "tabel"])).stderr).toContain("Allowed choices are table, json");
  });
});
