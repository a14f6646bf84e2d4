import { expect, test } from "vitest";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";
import { FEATURES, nameOnPage, serversPage } from "../support/server-features.ts";

test("this server has what docs/servers.md says it has, and lacks the rest", async ({ skip }) => {
  const redis = rawRedis();
  const { servers, has } = await serversPage();
  const name = await nameOnPage(redis, servers);
  if (name === undefined) return skip("docs/servers.md has no column for this server");
  const at = servers.indexOf(name);
  const found: Record<string, string> = {};
  for (const [feature, { probe }] of Object.entries(FEATURES))
    found[feature] = (await probe(redis, uniqueKey())) ? "yes" : "–";
  expect({ [name]: found }).toEqual({
    [name]: Object.fromEntries([...has].map(([feature, cells]) => [feature, cells[at]])),
  });
});
