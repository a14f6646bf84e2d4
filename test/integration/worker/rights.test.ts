import { describe, expect, inject, onTestFinished, test } from "vitest";
import { uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { deadLetters, drain, fill, pendingIn } from "../../support/worker.ts";

/** The README's list of what a worker's user needs. */
const COMMANDS =
  "+xreadgroup +xack +xclaim +xpending +xrange +xadd +eval +evalsha +xinfo +xgroup|create +info +ping";

describe("a worker with no more rights than the README asks for", () => {
  test("acks, retries, dead-letters and stops cleanly", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const user = `worker${Date.now()}`;
    await redis.call(
      "ACL",
      "SETUSER",
      user,
      "on",
      ">secret",
      `~${stream}`,
      `~${stream}:dlq`,
      "-@all",
      ...COMMANDS.split(" "),
    );
    onTestFinished(async () => {
      await redis.call("ACL", "DELUSER", user);
    });
    await fill(redis, stream, 4);
    const url = inject("redisUrl").replace("redis://", `redis://${user}:secret@`);
    const command =
      'read l; case $l in *\'"n":"1"\'*) exit 65;; *\'"n":"2"\'*) test "$STREAMCTL_DELIVERIES" = 2;; esac';
    const result = await drain(stream, command, ["-j", "2"], { url });
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("3 ok, 1 dead-lettered, 1 retried");
    expect(result.stderr).not.toContain("secret");
    expect(await pendingIn(redis, stream)).toBe(0);
    expect(await deadLetters(redis, `${stream}:dlq`)).toHaveLength(1);
  });

  test("says which right is missing, and leaves the entry pending", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const user = `poor${Date.now()}`;
    const rights = COMMANDS.replace("+xadd ", "").split(" ");
    await redis.call(
      "ACL",
      "SETUSER",
      user,
      "on",
      ">secret",
      `~${stream}`,
      `~${stream}:dlq`,
      "-@all",
      ...rights,
    );
    onTestFinished(async () => {
      await redis.call("ACL", "DELUSER", user);
    });
    await fill(redis, stream, 1);
    const url = inject("redisUrl").replace("redis://", `redis://${user}:secret@`);
    const result = await drain(stream, "exit 65", [], { url });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/no permission/);
    expect(await pendingIn(redis, stream)).toBe(1);
  });
});
