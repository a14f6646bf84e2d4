import type { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import { uniqueKey } from "./cli.ts";
import { shellWords } from "./command-lines.ts";
import { readPage } from "./pages.ts";

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

/** The commands that docs/permissions.md gives a worker on this server, as ACL rules. */
export async function workerRights(redis: Redis): Promise<string[]> {
  const page = await readPage("docs/permissions.md");
  const [, rules = ""] = /ACL SETUSER worker ([^]*?)^```/m.exec(page) ?? [];
  const rights = shellWords(rules.replaceAll("\\\n", "")).filter((rule) => rule.startsWith("+"));
  // Redis 6.0 does not have it, and the page says so.
  const [known] = (await redis.call("COMMAND", "INFO", "xautoclaim")) as [unknown];
  return known === null ? rights.filter((rule) => rule !== "+xautoclaim") : rights;
}
