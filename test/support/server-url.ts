import { inject } from "vitest";

/** The server of the test file that runs: of those that run at once each has its own. */
export function serverUrl(): string {
  const urls = inject("redisUrls");
  return urls[(Number(process.env["VITEST_POOL_ID"]) - 1) % urls.length] as string;
}
