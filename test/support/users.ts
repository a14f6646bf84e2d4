import type { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import { uniqueKey } from "./cli.ts";

/** A user with these ACL rules and nothing else, and the URL to connect as it; gone when the test ends. */
export async function userWith(
  redis: Redis,
  rules: readonly string[],
): Promise<{ readonly user: string; readonly url: string }> {
  const user = uniqueKey("u").replaceAll(":", "-");
  await redis.call("ACL", "SETUSER", user, "on", ">pw", "-@all", ...rules);
  onTestFinished(async () => void (await redis.call("ACL", "DELUSER", user)));
  const { host, port } = redis.options;
  return { user, url: `redis://${user}:pw@${host}:${port}` };
}
