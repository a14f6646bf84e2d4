import { describe, expect, test } from "vitest";
import { uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { userWith, workerRights } from "../../support/users.ts";
import { deadLetters, drain, fill, pendingIn } from "../../support/worker.ts";

describe("a worker with no more rights than docs/permissions.md asks for", () => {
  test("acks, retries, dead-letters and stops cleanly", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const { url } = await userWith(redis, [`~${stream}`, `~${stream}:dlq`, ...(await workerRights(redis))]);
    await fill(redis, stream, 4);
    const command =
      'read l; case $l in *\'"n":"1"\'*) exit 65;; *\'"n":"2"\'*) test "$STREAMCTL_DELIVERIES" = 2;; esac';
    const result = await drain(stream, command, ["-j", "2"], { url });
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("3 ok, 1 dead-lettered, 1 retried");
    expect(result.stderr).not.toContain(":pw@");
    expect(await pendingIn(redis, stream)).toBe(0);
    expect(await deadLetters(redis, `${stream}:dlq`)).toHaveLength(1);
  });

  test("says which right is missing, and leaves the entry pending", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const rights = (await workerRights(redis)).filter((right) => right !== "+xadd");
    const { url } = await userWith(redis, [`~${stream}`, `~${stream}:dlq`, ...rights]);
    await fill(redis, stream, 1);
    const result = await drain(stream, "exit 65", [], { url });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/no permission/);
    expect(await pendingIn(redis, stream)).toBe(1);
  });
});
