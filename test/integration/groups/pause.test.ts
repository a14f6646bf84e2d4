import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { metricsUrl, scrape } from "../../support/http.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { serverUrl } from "../../support/server-url.ts";
import { userWith } from "../../support/users.ts";
import { fill, scratchDir } from "../../support/worker.ts";

async function withGroup(count = 3): Promise<{ redis: ReturnType<typeof rawRedis>; stream: string }> {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, count);
  await redis.xgroup("CREATE", stream, "g", "0");
  return { redis, stream };
}

describe("group pause", () => {
  test("is one key beside the stream, without an end", async () => {
    const { redis, stream } = await withGroup();
    const result = await cli(["group", "pause", stream, "g", "--reason", "invoices are down"]);
    expect(result.code, result.stderr).toBe(0);
    expect(ndjson(result.stdout)).toEqual([
      {
        stream,
        group: "g",
        wasPaused: false,
        paused: true,
        pausedSince: expect.stringMatching(/^\d{4}-.*Z$/),
        pausedUntil: null,
        pausedBy: expect.stringMatching(/^.+@.+$/),
        pausedReason: "invoices are down",
      },
    ]);
    expect(result.stderr).toMatch(/g on \S+ paused since \S+ by \S+ until it is resumed: invoices are down/);
    expect(await redis.type(`${stream}:paused:g`)).toBe("string");
    expect(await redis.pttl(`${stream}:paused:g`)).toBe(-1);
    expect(JSON.parse((await redis.get(`${stream}:paused:g`)) ?? "")).toMatchObject({
      tool: expect.stringMatching(/^streamctl \d/),
    });
  });

  test("of a paused group changes its end and its reason, and says that it was paused", async () => {
    const { redis, stream } = await withGroup();
    const [first] = ndjson((await cli(["group", "pause", stream, "g", "--reason", "deploy"])).stdout);
    const longer = await cli(["group", "pause", stream, "g", "--for", "2h"]);
    expect(longer.stderr).toContain("was paused already");
    const [second] = ndjson(longer.stdout);
    expect(second).toMatchObject({
      wasPaused: true,
      pausedSince: first?.["pausedSince"],
      pausedReason: "deploy",
      pausedUntil: expect.stringMatching(/Z$/),
    });
    const ms = await redis.pttl(`${stream}:paused:g`);
    expect(ms).toBeGreaterThan(7_000_000);
    expect(ms).toBeLessThanOrEqual(7_200_000);
    const other = await cli(["group", "pause", stream, "g", "--reason", "migration"]);
    expect(ndjson(other.stdout)).toMatchObject([{ pausedReason: "migration", pausedUntil: null }]);
    expect(await redis.pttl(`${stream}:paused:g`)).toBe(-1);
  });

  test.each(["pause", "resume"])("%s of an unknown group or stream is exit 4", async (verb) => {
    const { redis, stream } = await withGroup();
    const group = await cli(["group", verb, stream, "other"]);
    expect(group.code).toBe(4);
    expect(group.stderr).toContain('no group "other"');
    expect((await cli(["group", verb, `${stream}:no`, "g"])).code).toBe(4);
    expect(await redis.exists(`${stream}:paused:other`)).toBe(0);
  });

  test("--for 0 is a usage error", async () => {
    const { stream } = await withGroup();
    expect((await cli(["group", "pause", stream, "g", "--for", "0"])).code).toBe(2);
  });

  test("does not overwrite a key of another type", async () => {
    const { redis, stream } = await withGroup();
    await redis.hset(`${stream}:paused:g`, "a", "1");
    for (const verb of ["pause", "resume"]) {
      const result = await cli(["group", verb, stream, "g"]);
      expect(result.code).toBe(1);
      expect(result.stderr).toContain(`${stream}:paused:g is not a string`);
    }
    expect(await redis.hget(`${stream}:paused:g`, "a")).toBe("1");
  });

  test("a read-only profile refuses it, a protected one asks", async () => {
    const { redis, stream } = await withGroup();
    const file = join(await scratchDir(), "config.yaml");
    const profiles = `prod: {url: "${serverUrl()}", readOnly: true}, shop: {url: "${serverUrl()}", protected: true}`;
    await writeFile(file, `profiles: {${profiles}}\n`);
    for (const verb of ["pause", "resume"]) {
      const line = ["group", verb, stream, "g", "--config", file, "--profile"];
      const refused = await cli([...line, "prod"]);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain("read-only");
      expect((await cli([...line, "shop"])).code).toBe(2);
    }
    expect(await redis.exists(`${stream}:paused:g`)).toBe(0);
  });

  test("whatever stands in the key pauses, and a reason shows no control characters", async () => {
    const { redis, stream } = await withGroup();
    await redis.set(`${stream}:paused:g`, "by hand");
    const [row] = ndjson((await cli(["lag", stream])).stdout);
    expect(row).toMatchObject({ paused: true, pausedSince: null, pausedReason: null });
    await cli(["group", "pause", stream, "g", "--reason", "a\u001b[31mred"]);
    const table = await cli(["lag", stream, "-o", "table"]);
    expect(table.stdout).toContain("a");
    expect(table.stdout).not.toContain("\u001b[31m");
    expect((await cli(["doctor", stream])).stderr).not.toContain("\u001b[31m");
  });
});

describe("group resume", () => {
  test("ends the pause, and is no error without one", async () => {
    const { redis, stream } = await withGroup();
    await cli(["group", "pause", stream, "g", "--reason", "deploy"]);
    const resumed = await cli(["group", "resume", stream, "g"]);
    expect(resumed.code).toBe(0);
    expect(ndjson(resumed.stdout)).toMatchObject([{ wasPaused: true, paused: false, pausedSince: null }]);
    expect(resumed.stderr).toMatch(/goes on: it was paused since .*: deploy/);
    expect(await redis.exists(`${stream}:paused:g`)).toBe(0);
    const again = await cli(["group", "resume", stream, "g"]);
    expect(again.code).toBe(0);
    expect(ndjson(again.stdout)).toMatchObject([{ wasPaused: false, paused: false }]);
    expect(again.stderr).toContain("was not paused");
  });

  test("takes away a pause that has outlived its group", async () => {
    const { redis, stream } = await withGroup();
    await cli(["group", "pause", stream, "g"]);
    await redis.xgroup("DESTROY", stream, "g");
    expect((await cli(["group", "resume", stream, "g"])).code).toBe(0);
    expect(await redis.exists(`${stream}:paused:g`)).toBe(0);
  });
});

test("group destroy takes the pause along: a group made anew by that name is another one", async () => {
  const { redis, stream } = await withGroup();
  await cli(["group", "pause", stream, "g"]);
  expect((await cli(["group", "destroy", stream, "g", "-y"])).code).toBe(0);
  expect(await redis.exists(`${stream}:paused:g`)).toBe(0);
});

test("a user without the right to pauses destroys the group all the same", async () => {
  const { redis, stream } = await withGroup();
  await cli(["group", "pause", stream, "g"]);
  const rights =
    "+xgroup|destroy +xinfo|stream +xinfo|groups +xpending +xrange +time +info +eval +evalsha +ping";
  const { url } = await userWith(redis, [`~${stream}`, ...rights.split(" ")]);
  expect((await cli(["group", "destroy", stream, "g", "-y"], { url })).code).toBe(0);
  expect(await redis.xinfo("GROUPS", stream)).toEqual([]);
});

describe("a pause shows", () => {
  test("in lag, only where there is one", async () => {
    const { stream } = await withGroup();
    const [before] = ndjson((await cli(["lag", stream])).stdout);
    expect(before).toMatchObject({ paused: false, pausedSince: null, pausedUntil: null, pausedBy: null });
    expect((await cli(["lag", stream, "-o", "table"])).stdout).not.toContain("PAUSED");
    await cli(["group", "pause", stream, "g", "--for", "1h", "--reason", "deploy"]);
    const [row] = ndjson((await cli(["lag", stream])).stdout);
    expect(row).toMatchObject({
      paused: true,
      pausedSince: expect.stringMatching(/Z$/),
      pausedUntil: expect.stringMatching(/Z$/),
      pausedReason: "deploy",
    });
    const table = (await cli(["lag", stream, "-o", "table"])).stdout;
    expect(table).toMatch(/PAUSED/);
    expect(table).toMatch(/deploy, by \S+, until \d{4}-/);
    const [info] = ndjson((await cli(["info", stream])).stdout);
    expect(info).toMatchObject({ groups: [{ paused: true, pausedReason: "deploy" }] });
  });

  test("as unknown to a user who may not look", async () => {
    const { redis, stream } = await withGroup();
    await cli(["group", "pause", stream, "g"]);
    const rights = "+xinfo|stream +xinfo|groups +xpending +xrange +time +info +eval +evalsha +ping +mget";
    const { url } = await userWith(redis, [`~${stream}`, ...rights.split(" ")]);
    const result = await cli(["lag", stream], { url });
    expect(result.code, result.stderr).toBe(0);
    expect(ndjson(result.stdout)).toMatchObject([{ lag: 3, paused: null, pausedSince: null }]);
  });

  test("of those groups that a user may see", async () => {
    const { redis, stream } = await withGroup();
    await redis.xgroup("CREATE", stream, "h", "0");
    await cli(["group", "pause", stream, "g"]);
    await cli(["group", "pause", stream, "h"]);
    const rights = "+xinfo|stream +xinfo|groups +xpending +xrange +time +info +eval +evalsha +ping +mget";
    const { url } = await userWith(redis, [`~${stream}`, `~${stream}:paused:h`, ...rights.split(" ")]);
    expect(ndjson((await cli(["lag", stream], { url })).stdout)).toMatchObject([
      { group: "g", paused: null },
      { group: "h", paused: true },
    ]);
  });

  test("in doctor, with the command that ends it, and not as a group that nobody reads", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xadd(stream, "1000-0", "n", "1");
    await redis.xgroup("CREATE", stream, "g", "0");
    await cli(["group", "pause", stream, "g", "--reason", "deploy"]);
    const rows = ndjson((await cli(["doctor", stream])).stdout).filter(({ group }) => group === "g");
    expect(rows).toMatchObject([
      {
        severity: "warning",
        check: "paused-group",
        evidence: expect.stringMatching(/paused since .* by .*: deploy$/),
        fix: `streamctl group resume ${stream} g`,
      },
    ]);
  });

  test("in serve-metrics", async () => {
    const { redis, stream } = await withGroup();
    await redis.xgroup("CREATE", stream, "h", "0");
    await cli(["group", "pause", stream, "g"]);
    const run = new CliRun(["serve-metrics", stream, "--metrics-port", "0"]);
    const at = await until("it listens", () => metricsUrl(run));
    const metrics = await until("it has looked", async () => {
      const shown = await scrape(at);
      return shown.samples("streamctl_group_paused").length > 0 ? shown : undefined;
    });
    expect(metrics.value("streamctl_group_paused", { stream, group: "g" })).toBe(1);
    expect(metrics.value("streamctl_group_paused", { stream, group: "h" })).toBe(0);
    run.signal("SIGTERM");
    await run.done;
  });
});
