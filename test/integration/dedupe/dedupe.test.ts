import { Cluster } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { rawRedis } from "../../support/redis.ts";
import { drain, workerArgv } from "../../support/worker.ts";

describe("dedupe", () => {
  test("list shows what is remembered of this group alone, with its entry, age and time to live", async () => {
    const redis = rawRedis();
    const stream = uniqueKey("s*[a]");
    const ids: string[] = [];
    const hash = `sha256-${"0".repeat(64)}`;
    for (const key of ["42", hash, "43"]) {
      const id = (await redis.xadd(stream, "*", "k", key)) as string;
      ids.push(id);
      await redis.set(`${stream}:done:g:${key}`, id, "PX", 3_600_000);
    }
    await redis.set(`${stream}:done:other:42`, "1-1");
    await redis.set(`${stream.replace("[a]", "a")}:done:g:42`, "1-1");
    const { code, stdout } = await cli(["dedupe", "list", stream, "-g", "g"]);
    expect(code).toBe(0);
    const rows = ndjson(stdout).toSorted((a, b) => (String(a["id"]) < String(b["id"]) ? -1 : 1));
    expect(rows).toMatchObject([
      { stream, group: "g", key: "42", id: ids[0] },
      { key: hash, id: ids[1] },
      { key: "43", id: ids[2] },
    ]);
    for (const { ageMs, ttlMs } of rows) {
      expect(ageMs).toBeGreaterThanOrEqual(0);
      expect(ttlMs).toBeGreaterThan(3_000_000);
      expect(ttlMs).toBeLessThanOrEqual(3_600_000);
    }
    expect(ndjson((await cli(["dedupe", "list", stream, "-g", "g", "--limit", "1"])).stdout)).toHaveLength(1);
  });

  test("forget by the field's value, or as list has it: then entries with these keys run again", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const add = async (): Promise<void> => {
      for (const key of ["42", "with blank", "43"]) await redis.xadd(stream, "*", "k", key);
    };
    await add();
    await drain(stream, "true", ["--dedupe", "k"]);
    const rows = ndjson((await cli(["dedupe", "list", stream, "-g", "g"])).stdout);
    const hashed = rows.map(({ key }) => String(key)).find((key) => key.startsWith("sha256-")) ?? "";
    const forget = ["dedupe", "forget", stream, "-g", "g"];
    const result = await cli([...forget, "42", hashed, "nope"]);
    expect(result).toMatchObject({ code: 5, stdout: "" });
    expect(result.stderr).toContain("nope is not remembered");
    expect(result.stderr).toContain("forgot 2 keys");
    await add();
    const again = await drain(stream, "cat", ["--dedupe", "k"]);
    expect(ndjson(again.stdout).map(({ fields }) => (fields as { k: string }).k)).toEqual([
      "42",
      "with blank",
    ]);
    expect(await cli([...forget, "with blank"])).toMatchObject({ code: 0 });
    expect(await cli([...forget, "with blank"])).toMatchObject({ code: 4 });
    expect(await cli(forget)).toMatchObject({ code: 2 });
  });

  test("forget --all asks, and leaves other groups what they have", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (let n = 0; n < 30; n++) await redis.set(`${stream}:done:g:${n}`, "1-1");
    await redis.set(`${stream}:done:g2:1`, "1-1");
    const forget = ["dedupe", "forget", stream, "-g", "g", "--all"];
    expect(await cli(forget)).toMatchObject({ code: 2 });
    const result = await cli([...forget, "-y"]);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stderr).toContain("forgot 30 keys");
    expect(await redis.exists(`${stream}:done:g2:1`)).toBe(1);
  });

  test("in a cluster, with what was put out to another slot", async () => {
    const cluster = await TestCluster.start();
    onTestFinished(() => cluster.stop());
    const redis = new Cluster([cluster.url]);
    onTestFinished(() => redis.disconnect());
    const work = (): ReturnType<typeof cli> =>
      cli(workerArgv("s", "echo x", "--until-empty", "--dedupe", "k", "--emit", "{b}out", "--cluster"), {
        url: cluster.url,
      });
    const on = (...argv: string[]): ReturnType<typeof cli> =>
      cli([...argv, "s", "-g", "g", "--cluster"], { url: cluster.url });
    await redis.xadd("s", "*", "k", "a");
    await redis.xadd("s", "*", "k", "b");
    expect((await work()).stderr).toContain("2 ok");
    expect(
      ndjson((await on("dedupe", "list")).stdout)
        .map(({ key }) => String(key))
        .toSorted(),
    ).toEqual(["a", "b"]);
    const forget = ["dedupe", "forget", "--emit", "{b}out", "--all", "-y"];
    expect((await on(...forget)).stderr).toContain("forgot 2 keys");
    expect(ndjson((await on("dedupe", "list")).stdout)).toEqual([]);
    await redis.xadd("s", "*", "k", "a");
    expect((await work()).stderr).toContain("1 ok");
    expect(await redis.xlen("{b}out")).toBe(3);
  });
});
