import { expect, onTestFinished, test } from "vitest";
import { cli, CliRun, ndjson, openStdin, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { TestReplicas } from "../../support/replicas.ts";
import { userWith } from "../../support/users.ts";

const ONE = ["--wait-replicas", "1", "--wait-timeout", "300ms"];

async function replicas(count = 1): Promise<TestReplicas> {
  const servers = await TestReplicas.start(count);
  onTestFinished(() => servers.stop());
  return servers;
}

test("without so many replicas nothing is read or added, and the error says how many there are", async () => {
  const { url } = await replicas(1);
  const key = uniqueKey();
  const result = await cli(["produce", key, "a=1", "--wait-replicas", "2", "--connect-timeout", "3s"], {
    url,
  });
  expect(result.stderr).toContain(`--wait-replicas 2, and ${url} has 1 replica`);
  expect(result.code).toBe(1);
  expect(await rawRedis(url).exists(key)).toBe(0);

  const none = await cli(["produce", key, "a=1", "--wait-replicas", "1", "--connect-timeout", "3s"]);
  expect(none.stderr).toContain("has no replicas");
  expect(none.code).toBe(1);
});

test("what replicas have is printed and counted as without them", async () => {
  const { url } = await replicas(2);
  const key = uniqueKey();
  const args = ["--wait-replicas", "2", "--input", "lines", "--ids"];
  const stdin = Array.from({ length: 20_000 }, (_, n) => `${n}\n`).join("");
  const { code, stdout, stderr } = await cli(["produce", key, ...args], { url, stdin });
  expect(stderr).toMatch(/20.000 entries/);
  expect(code).toBe(0);
  const ids = (await rawRedis(url).xrange(key, "-", "+")).map(([id]) => id);
  expect(stdout.trim().split("\n")).toEqual(ids);
});

test("an entry that no replica has is not printed as added, but told of with its ID", async () => {
  const { servers, link } = await TestReplicas.behindLink();
  const redis = rawRedis(servers.url);
  const key = uniqueKey();
  link.hold();
  const { code, stdout, stderr } = await cli(["produce", key, "a=1", ...ONE], { url: servers.url });
  const [[id] = []] = await redis.xrange(key, "-", "+");
  expect(stdout).toBe("");
  expect(stderr).toContain(
    `0 of 1 replicas confirmed within 300 ms: one entry (${id}) is in ${key} on the primary`,
  );
  expect(code).toBe(7);
});

test("a replica that stands still confirms nothing", async () => {
  const servers = await replicas(1);
  const { url } = servers;
  const key = uniqueKey();
  const many = ["produce", key, "--input", "lines", "--ids", "-o", "json", "--wait-replicas", "1"];
  expect((await cli(many, { url, stdin: "1\n2\n" })).stdout.trim().split("\n")).toHaveLength(2);
  servers.replica(0).signal("SIGSTOP");
  const still = await cli([...many, "--wait-timeout", "300ms"], { url, stdin: "3\n4\n" });
  expect(still.stdout).toBe("");
  expect(still.code).toBe(7);
  expect(await rawRedis(url).xlen(key)).toBe(4);
});

test("when the replica is killed the run ends, and names the lines that are on the primary alone", async () => {
  const servers = await replicas(1);
  const { url } = servers;
  const key = uniqueKey();
  const stdin = openStdin();
  const args = ["--input", "lines", "--ids", "-o", "json", "--wait-replicas", "1", "--wait-timeout", "5s"];
  const run = new CliRun(["produce", key, ...args], { url, stdin });
  stdin.write("1\n2\n");
  await until("two are confirmed", () => run.stdout.split("\n").length === 3);
  await servers.replica(0).stop("SIGKILL");
  stdin.write("3\n4\n");
  const { code, stdout, stderr } = await run.done;
  stdin.end();
  expect(stdout.trim().split("\n")).toHaveLength(2);
  const [summary] = ndjson(stderr.split("\n").find((line) => line.startsWith("{")) ?? "");
  expect(summary).toMatchObject({ inRedis: 2, unknownLines: [], unconfirmedLines: [[3, 4]], lastLine: 2 });
  expect(code).toBe(7);
  expect(await rawRedis(url).xlen(key)).toBe(4);
});

test("a replica that comes back in time costs nothing: no entry is sent twice", async () => {
  const { servers, link } = await TestReplicas.behindLink();
  const key = uniqueKey();
  link.hold();
  const args = ["--wait-replicas", "1", "--input", "lines", "--ids"];
  const run = new CliRun(["produce", key, ...args], { url: servers.url, stdin: "1\n2\n3\n" });
  await until("they are on the primary", async () => (await rawRedis(servers.url).xlen(key)) === 3);
  expect(run.stdout).toBe("");
  link.release();
  const { code, stdout } = await run.done;
  expect(code).toBe(0);
  expect(stdout.trim().split("\n")).toHaveLength(3);
  expect(await rawRedis(servers.url).xlen(key)).toBe(3);
});

test("what is there already, by its key, counts no sooner than replicas have it", async () => {
  const { servers, link } = await TestReplicas.behindLink();
  const { url } = servers;
  const key = uniqueKey();
  const again = ["produce", key, "n=1", "--idempotency-key", "n"];
  link.hold();
  for (let n = 0; n < 2; n++) {
    const { code, stdout, stderr } = await cli([...again, ...ONE], { url });
    expect(stdout, stderr).toBe("");
    expect(code).toBe(7);
  }
  link.release();
  expect(await cli([...again, "--wait-replicas", "1"], { url })).toMatchObject({ code: 0 });
  expect(await rawRedis(url).xlen(key)).toBe(1);
});

test("an entry that is found by its ID after a lost reply counts no sooner than replicas have it", async () => {
  const { servers, link } = await TestReplicas.behindLink();
  const proxy = await Proxy.start(servers.url);
  const key = uniqueKey();
  link.hold();
  const lost = proxy.loseReplyTo("5-1");
  const { code, stdout, stderr } = await cli(["produce", key, "a=1", "--id", "5-1", ...ONE], {
    url: proxy.url,
  });
  await lost;
  expect(stdout).toBe("");
  expect(stderr).toContain("one entry (5-1) is in");
  expect(code).toBe(7);
});

test("a primary that dies right after an ID was printed has lost no such entry: its replica has all", async () => {
  const { servers, link } = await TestReplicas.behindLink();
  const key = uniqueKey();
  const stdin = openStdin();
  const args = ["--wait-replicas", "1", "--input", "lines", "--ids", "--connect-timeout", "3s"];
  const run = new CliRun(["produce", key, ...args], { url: servers.url, stdin });
  stdin.write("1\n2\n3\n");
  await until("they are confirmed", () => run.stdout.split("\n").length === 4);
  link.hold();
  stdin.write("4\n5\n");
  await until("they are on the primary", async () => (await rawRedis(servers.url).xlen(key)) === 5);
  await servers.primary.stop("SIGKILL");
  await link.close();
  stdin.end();
  const { code, stdout, stderr } = await run.done;
  expect(code, stderr).toBe(7);
  await servers.promote(0);
  const there = (await rawRedis(servers.replica(0).url).xrange(key, "-", "+")).map(([id]) => id);
  expect(stdout.trim().split("\n")).toEqual(there);
  expect(there).toHaveLength(3);
});

test("a user who may not WAIT is told so before anything is added", async () => {
  const { url } = await replicas(1);
  const redis = rawRedis(url);
  const key = uniqueKey();
  const { url: asUser } = await userWith(redis, [`~${key}`, "+xadd", "+info", "+ping"]);
  const { code, stderr } = await cli(["produce", key, "a=1", "--wait-replicas", "1"], { url: asUser });
  expect(stderr).toContain("no permission for WAIT");
  expect(code).toBe(1);
  expect(await redis.exists(key)).toBe(0);
});
