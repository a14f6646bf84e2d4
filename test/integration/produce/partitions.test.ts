import { expect, test } from "vitest";
import { partitionOf } from "../../../src/engine/produce/partitions.ts";
import { cli, CliRun, ndjson, openStdin, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { answered, byCustomer, expectPartitioned, summaryOf, valuesOf } from "./support.ts";

const BY_CUSTOMER = ["--partitions", "4", "--partition-by", "customer"];

test("every entry is in its key's partition, once and in order", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  const result = await cli(["produce", key, ...BY_CUSTOMER, "-o", "json"], { stdin: byCustomer(1, 20_000) });
  expect(result.code).toBe(0);
  const summary = summaryOf(result);
  expect(summary).toMatchObject({ inRedis: 20_000, rejected: 0, lastLine: 20_000, complete: true });
  await expectPartitioned(20_000, 4, (index) => valuesOf(redis, `${key}:${index}`));
  for (const { stream, inRedis } of summary.partitions ?? []) expect(await redis.xlen(stream)).toBe(inRedis);
  expect(summary.partitions).toHaveLength(4);
  expect(await redis.exists(key)).toBe(0);
});

test("entries are sent as they come, also those of a partition that gets few", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  const stdin = openStdin();
  const run = new CliRun(["produce", key, ...BY_CUSTOMER], { stdin });
  stdin.write(byCustomer(1, 1));
  const stream = `${key}:${partitionOf(Buffer.from("c-1"), 4)}`;
  await until("the first entry is in Redis", async () => (await redis.xlen(stream)) === 1);
  stdin.end();
  expect((await run.done).code).toBe(0);
});

test("a line without the field is bad, whatever its other fields", async () => {
  const key = uniqueKey();
  const stdin = '{"n":"1","customer":"a"}\n{"n":"2"}\n{"n":"3","customer":"a"}\n';
  const result = await cli(["produce", key, ...BY_CUSTOMER, "--on-error", "skip", "-v"], { stdin });
  expect(result.code).toBe(5);
  expect(result.stderr).toContain("line 2: there is no field customer to choose the partition by");
  expect(result.stderr).toContain(`${key}:${partitionOf(Buffer.from("a"), 4)}: 2 entries`);
  expect(result.stderr).toContain(`2 entries in ${key}, 1 line rejected`);
});

test("--ids says in which partition each ID is", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  const text = await cli(["produce", key, ...BY_CUSTOMER, "--ids"], { stdin: byCustomer(1, 50) });
  for (const line of text.stdout.trimEnd().split("\n")) {
    const [id = "", stream = ""] = line.split("\t");
    expect(await redis.xrange(stream, id, id)).toHaveLength(1);
  }
  expect(text.stdout.trimEnd().split("\n")).toHaveLength(50);
  const json = await cli(["produce", key, "customer=c-1", ...BY_CUSTOMER, "-o", "json"]);
  expect(ndjson(json.stdout)).toEqual([
    { stream: `${key}:${partitionOf(Buffer.from("c-1"), 4)}`, id: expect.stringMatching(/^\d+-\d+$/) },
  ]);
});

test("a partition that refuses ends the run, and the count is what is in all of them", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  const bad = partitionOf(Buffer.from("c-1"), 4);
  await redis.lpush(`${key}:${bad}`, "x");
  const result = await cli(["produce", key, ...BY_CUSTOMER, "-o", "json"], { stdin: byCustomer(1, 30_000) });
  expect(result.code).toBe(1);
  expect(result.stderr).toContain(`${key}:${bad} is a list, not a stream`);
  const summary = summaryOf(result);
  let there = 0;
  for (let i = 0; i < 4; i++) if (i !== bad) there += await redis.xlen(`${key}:${i}`);
  expect(summary).toMatchObject({ inRedis: there, complete: false, lastLine: 0 });
  const later = summary.laterLines.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  expect(later).toBe(there);
});

test("one lost connection puts the doubtful entries of every partition in doubt, and nothing else", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  const proxy = await Proxy.start();
  const stdin = openStdin();
  const run = new CliRun(["produce", key, ...BY_CUSTOMER, "-o", "json", "--ids"], { stdin, url: proxy.url });
  const lengths = async (): Promise<number> =>
    (await Promise.all([0, 1, 2, 3].map((i) => redis.xlen(`${key}:${i}`)))).reduce((sum, n) => sum + n, 0);
  stdin.write(byCustomer(1, 100));
  await answered(run, 100);
  proxy.swallowReplies();
  stdin.write(byCustomer(101, 200));
  await until("another hundred are", async () => (await lengths()) === 200);
  proxy.cut();
  const result = await run.done;
  expect(result.code).toBe(7);
  expect(summaryOf(result)).toMatchObject({ inRedis: 100, lastLine: 100, unknownLines: [[101, 200]] });
});

test("with explicit IDs each partition is completed after a lost connection", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  const proxy = await Proxy.start();
  const lines = byCustomer(1, 4_000).replaceAll(/"n":"(\d+)"/g, '"n":"$1","id":"$1-1"');
  const lost = proxy.loseReplyTo("$6\r\n2000-1\r\n");
  const args = [...BY_CUSTOMER, "--id-field", "id", "-o", "json"];
  const [result] = await Promise.all([
    cli(["produce", key, ...args], { stdin: lines, url: proxy.url }),
    lost,
  ]);
  expect(result.code).toBe(0);
  expect(summaryOf(result)).toMatchObject({ inRedis: 4_000, rejected: 0, complete: true });
  expect(summaryOf(result).alreadyThere).toBeGreaterThan(0);
  await expectPartitioned(4_000, 4, (index) => valuesOf(redis, `${key}:${index}`));
});

test("all partitions share one connection", async () => {
  const proxy = await Proxy.start();
  const { code } = await cli(["produce", uniqueKey(), ...BY_CUSTOMER], {
    stdin: byCustomer(1, 1_000),
    url: proxy.url,
  });
  expect(code).toBe(0);
  // The control connection and the pipeline.
  expect(proxy.accepted).toBe(2);
});
