import { onTestFinished } from "vitest";
import { Connection, type OpenOptions } from "../../src/redis/connection.ts";
import type { ConnectionSettings } from "../../src/redis/settings.ts";
import { serverUrl } from "./server-url.ts";

/** Settings for a server; the limits are for what hangs, and a test that waits for them has its own. */
function settingsFor(url: string, overrides: Partial<ConnectionSettings> = {}): ConnectionSettings {
  const { hostname, port } = new URL(url);
  return {
    mode: "standalone",
    host: hostname,
    port: Number(port),
    db: 0,
    connectTimeoutMs: 30_000,
    commandTimeoutMs: 30_000,
    ...overrides,
  };
}

/** A Connection to `url` (default: the shared test server) that is closed when the test ends. */
export async function openConnection(
  url: string = serverUrl(),
  overrides: Partial<ConnectionSettings> = {},
  options: Partial<OpenOptions> = {},
): Promise<Connection> {
  const connection = await Connection.open(settingsFor(url, overrides), {
    name: "streamctl:test",
    ...options,
  });
  onTestFinished(() => connection.close());
  return connection;
}

/** What a promise rejects with; fails when it does not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome) return outcome.error;
  throw new Error(`did not reject, but gave ${String(outcome.value)}`);
}
