import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, CliRun } from "../../support/cli.ts";
import { ask, metricsUrl } from "../../support/http.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith } from "../../support/users.ts";

/**
 * What the commands for looking and repairing print, in every form, one file each: whoever changes a form
 * sees it here. `npx vitest run --project integration test/integration/forms -u` writes them anew.
 */

let server: SandboxServer;
beforeAll(async () => {
  server = await SandboxServer.start({ executable: inject("redisExecutable") });
});
afterAll(() => server.stop());

let redis: Redis;
beforeEach(async ({ skip }) => {
  redis = rawRedis(server.url);
  const old = /redis_version:[56]\./.test(await redis.info("server"));
  skip(old, "before Redis 7.0 some facts are unknown, and so printed in another way");
});

const HOUR_MS = 3_600_000;

/** billing holds two entries, one without data, and has four to get; mail has read everything. */
async function orders(): Promise<void> {
  for (let n = 1; n <= 6; n++) await redis.xadd("orders", `${n}-0`, "n", String(n));
  await redis.xgroup("CREATE", "orders", "billing", "0");
  await redis.xgroup("CREATE", "orders", "mail", "6-0");
  await redis.xreadgroup("GROUP", "billing", "worker-1", "COUNT", 1, "STREAMS", "orders", ">");
  await redis.xreadgroup("GROUP", "billing", "worker-2", "COUNT", 1, "STREAMS", "orders", ">");
  await pend("worker-1", "1-0", { hours: 3, deliveries: 4 });
  await pend("worker-2", "2-0", { hours: 1, deliveries: 1 });
  await redis.xdel("orders", "2-0");
  await redis.xadd("orders:dlq", "1-0", "item", "\u001b[2Jbox", "note", "a,b");
}

async function pend(owner: string, id: string, facts: { hours: number; deliveries: number }): Promise<void> {
  const { hours, deliveries } = facts;
  const settings = ["IDLE", hours * HOUR_MS, "RETRYCOUNT", deliveries, "JUSTID"] as const;
  await redis.xclaim("orders", "billing", owner, 0, id, ...settings);
}

/** A stream without an entry whose group nobody uses, and one without a group. */
async function nothing(): Promise<void> {
  await redis.xgroup("CREATE", "orders", "billing", "0", "MKSTREAM");
  await redis.xadd("mails", "1-0", "n", "1");
}

const FORMS: readonly (readonly [string, readonly string[], { readonly columns?: number }])[] = [
  ["terminal", ["--no-color"], { columns: 100 }],
  ["pipe", [], {}],
  ["-o json", ["-o", "json"], {}],
  ["-o csv", ["-o", "csv"], {}],
  ["-o table", ["-o", "table"], {}],
];

/** The command in every form, each time on the same data. */
async function formsOf(argv: readonly string[], prepare: () => Promise<void>): Promise<string> {
  let text = `$ streamctl ${argv.join(" ")}\n`;
  for (const [name, flags, options] of FORMS) {
    await redis.flushall();
    await prepare();
    const { code, stdout, stderr } = await cli([...argv, ...flags], { ...options, url: server.url });
    text += `\n── ${name}: exit ${code}\n${steady(stdout)}`;
    if (stderr !== "") text += `── ${name}, stderr\n${steady(stderr)}`;
  }
  return text;
}

/** Leaves out what differs from run to run and from server to server. */
function steady(text: string): string {
  return maskColumns(text)
    .replace(/("(?:idleMs|maxIdleMs|inactiveMs|memoryBytes|radixNodes)":)(null|\d+)/g, "$1N")
    .replace(/(worker-\d +\d) +\S+ +\S+$/gm, "$1  …  …")
    .replace(/ +IDLE +INACTIVE *$/gm, "  IDLE  INACTIVE")
    .replace(/( ) *\d+(\.\d+)? k?B/g, "$1… kB")
    .replace(/\d+ tree nodes/g, "… tree nodes")
    .replace(/(Redis|Valkey|Redict) \d+\.\d+\.\d+/g, "Redis …");
}

const UNSTEADY = /^(idleMs|maxIdleMs|inactiveMs|memoryBytes|radixNodes)$/;

/** The same in CSV, where they all stand before the first cell that has a comma. */
function maskColumns(text: string): string {
  const [head = "", ...lines] = text.split("\n");
  const names = head.split(",");
  if (!names.some((name) => UNSTEADY.test(name))) return text;
  const masked = lines.map((line) =>
    line
      .split(",")
      .map((cell, index) => (UNSTEADY.test(names[index] ?? "") ? "N" : cell))
      .join(","),
  );
  return [head, ...masked].join("\n");
}

const ON_BILLING = ["orders", "-g", "billing"];

const LINES: readonly (readonly string[])[] = [
  ["lag", "orders"],
  ["lag", "orders", "--max-lag", "3", "--max-pending", "1"],
  ["pending", ...ON_BILLING],
  ["pending", ...ON_BILLING, "--list"],
  ["pending", ...ON_BILLING, "--list", "--payload"],
  ["ls"],
  ["info", "orders"],
  ["claim", ...ON_BILLING, "--all", "--to", "worker-3", "--drop-missing", "-y"],
  ["claim", ...ON_BILLING, "1-0", "2-0", "9-0", "--to", "worker-2", "--dry-run"],
  ["ack", ...ON_BILLING, "1-0", "9-0"],
  ["group", "create", "orders", "audit", "--at", "3-0"],
  ["group", "set-id", "orders", "billing", "--at", "$", "-y"],
  ["group", "destroy", "orders", "billing", "-y"],
  ["group", "consumers", ...ON_BILLING],
  ["group", "forget-consumer", "orders", "worker-1", "-g", "billing", "--claim-to", "worker-2"],
  ["doctor", "orders"],
];

describe("every form of", () => {
  test.each(LINES.map((argv) => [argv.join(" "), argv] as const))("%s", async (_, argv) => {
    await expect(await formsOf(argv, orders)).toMatchFileSnapshot(`./${fileName(argv)}.txt`);
  });

  test("serve-metrics", async () => {
    await redis.flushall();
    await orders();
    const run = new CliRun(["serve-metrics", "orders", "--metrics-port", "0"], { url: server.url });
    try {
      const url = await until("it listens", () => metricsUrl(run));
      await until("it is ready", async () => (await ask(`${url}/readyz`)).status === 200);
      const { body } = await ask(`${url}/metrics`);
      const text = body.replace(/^(streamctl_stream_memory_bytes\S*) .*$/gm, "$1 …");
      await expect(text).toMatchFileSnapshot("./serve-metrics.txt");
    } finally {
      run.signal("SIGTERM");
      await run.done;
    }
  });
});

function fileName(argv: readonly string[]): string {
  const words = argv.filter((word) => !["orders", "-g", "billing", "-y"].includes(word));
  return words
    .join(" ")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/-$/, "");
}

test("nothing to show is quiet, and no failure", async () => {
  let text = "";
  for (const argv of [
    ["lag", "mails"],
    ["pending", ...ON_BILLING],
    ["pending", ...ON_BILLING, "--list", "--payload"],
    ["ls", "none:*"],
    ["claim", ...ON_BILLING, "--all", "--to", "worker-3"],
    ["group", "consumers", ...ON_BILLING],
    ["group", "consumers", "mails"],
  ])
    text += `${await formsOf(argv, nothing)}\n`;
  await expect(text).toMatchFileSnapshot("./nothing.txt");
});

/** What each command says of a stream by that name, and whether it is about a group that is not there. */
const AT_FAULT: readonly (readonly [(name: string) => readonly string[], { readonly group: boolean }])[] = [
  [(name) => ["lag", name], { group: false }],
  [(name) => ["lag", name, "-g", "audit"], { group: true }],
  [(name) => ["pending", name, "-g", "audit"], { group: true }],
  [(name) => ["claim", name, "-g", "audit", "--all", "--to", "worker-3"], { group: true }],
  [(name) => ["ack", name, "-g", "audit", "1-0"], { group: true }],
  [(name) => ["ls", name], { group: false }],
  [(name) => ["info", name], { group: false }],
  [(name) => ["group", "create", name, "audit"], { group: false }],
  [(name) => ["group", "set-id", name, "audit", "--at", "0", "-y"], { group: true }],
  [(name) => ["group", "destroy", name, "audit", "-y"], { group: true }],
  [(name) => ["group", "consumers", name, "-g", "audit"], { group: true }],
  [(name) => ["group", "forget-consumer", name, "worker-1", "-g", "audit"], { group: true }],
];

test("a missing stream or group, a key of another type and a user without rights are one line each", async () => {
  await redis.flushall();
  await orders();
  await redis.lpush("list", "x");
  const { user, url: poor } = await userWith(redis, ["~*", "+ping"]);
  let text = "";
  const fail = async (argv: readonly string[], url = server.url): Promise<void> => {
    const { code, stdout, stderr } = await cli(argv, { url });
    expect({ stdout, lines: stderr.split("\n").length - 1 }, stderr).toEqual({ stdout: "", lines: 1 });
    text += `$ streamctl ${argv.join(" ")}\nexit ${code}: ${stderr.replace(`User ${user}`, "this user")}`;
  };
  for (const [line, { group }] of AT_FAULT) {
    await fail(line("nowhere"));
    if (group) await fail(line("orders"));
    await fail(line("list"));
    await fail(line("orders"), poor);
    text += "\n";
  }
  await expect(text).toMatchFileSnapshot("./errors.txt");
});
