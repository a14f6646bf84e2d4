import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { cli, ndjson } from "../../support/cli.ts";
import { pendingRows, pendingStream } from "../../support/pending.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis } from "../../support/redis.ts";

test("claim: a lost reply is said with exit 7, and running it again moves the rest and nothing twice", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 600);
  const proxy = await Proxy.start();
  const argv = ["claim", key, "-g", "g", "--all", "--from-consumer", "a", "--to", "z", "--count-delivery"];
  await cli([...argv, "--dry-run"], { url: proxy.url });
  // The second of three steps: a's entries are the odd ones.
  const lost = proxy.loseReplyTo("$5\r\n301-0\r\n");
  const [first] = await Promise.all([cli(argv, { url: proxy.url }), lost]);
  expect(first.code).toBe(7);
  const told = ndjson(first.stdout).length;
  expect(first.stderr).toContain(`gave ${told} to z`);
  // Of all steps that were under way it is said that nobody knows; what is told or in doubt is all that can have moved.
  const lostIn = `lost the connection while claiming (\\d+) entries of ${key}: it may have been done`;
  const [, inDoubt] = new RegExp(lostIn).exec(first.stderr) ?? [];
  expect([100, 200]).toContain(Number(inDoubt));
  const moved = (await pendingRows(redis, key)).filter(([, owner]) => owner === "z").length;
  expect(moved).toBeGreaterThan(told);
  expect(moved).toBeLessThanOrEqual(told + Number(inDoubt));
  const again = await cli(argv, { url: proxy.url });
  expect(again.code).toBe(0);
  const rows = await pendingRows(redis, key);
  expect(rows.filter(([, owner]) => owner === "z")).toHaveLength(300);
  expect(rows.filter(([, , deliveries]) => deliveries === 2)).toHaveLength(300);
});

test("ack: a lost reply is said with exit 7", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 1);
  const proxy = await Proxy.start();
  await cli(["ack", key, "-g", "g", "1-0", "--dry-run"], { url: proxy.url });
  const lost = proxy.loseReplyTo("$3\r\n1-0\r\n");
  const [result] = await Promise.all([cli(["ack", key, "-g", "g", "1-0"], { url: proxy.url }), lost]);
  expect(result.code).toBe(7);
  expect(result.stdout).toBe("");
  expect(await pendingRows(redis, key)).toEqual([]);
});

test("group forget-consumer: a lost reply is said with exit 7, and nothing is lost", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 500);
  const proxy = await Proxy.start();
  const argv = ["group", "forget-consumer", key, "a", "-g", "g", "--claim-to", "z"];
  const lost = proxy.loseReplyTo("redis.call('XGROUP', 'DELCONSUMER'");
  const evicted = redis.script("FLUSH");
  const [first] = await Promise.all([evicted.then(() => cli(argv, { url: proxy.url })), lost]);
  expect(first.code).toBe(7);
  expect((await cli(argv)).code).toBe(0);
  const rows = await pendingRows(redis, key);
  expect([rows.length, rows.filter(([, owner]) => owner === "a").length]).toEqual([500, 0]);
});

test("claim --dry-run: a reader that goes away is no error, and half a count is not told", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 300);
  const stdout = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
  });
  const argv = ["claim", key, "-g", "g", "--all", "--to", "z"];
  expect(await cli([...argv, "--dry-run"], { stdout })).toMatchObject({ code: 0, stderr: "" });
  expect((await cli([...argv, "--dry-run"])).stderr).toBe("streamctl: would give 300 to z\n");
});
