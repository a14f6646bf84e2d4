import { describe, expect, test } from "vitest";
import { checkCluster, checkServer, evictsVolatile } from "../../../src/engine/doctor/server-checks.ts";
import { decodeInfo } from "../../../src/redis/ops/server.ts";

const SOUND = {
  redis_version: "7.4.1",
  redis_mode: "standalone",
  role: "master",
  aof_enabled: "1",
  aof_last_write_status: "ok",
  maxmemory: "0",
  maxmemory_policy: "noeviction",
  used_memory: "1000",
  connected_clients: "2",
  maxclients: "10000",
  rejected_connections: "0",
  cluster_enabled: "0",
};

/** What is found beyond the line that says which server it is. */
function found(info: Record<string, string>, config: Record<string, string> = {}): string[] {
  const facts = {
    info: new Map(Object.entries({ ...SOUND, ...info })),
    config: new Map(Object.entries({ save: "", ...config })),
  };
  return checkServer(facts, false)
    .filter(({ check, severity }) => check !== "server" || severity !== "info")
    .map(({ severity, check, evidence }) => `${severity} ${check}: ${evidence}`);
}

test("a sound server has nothing wrong", () => {
  expect(found({})).toEqual([]);
});

test.each([
  [{ redis_version: "7.0.15" }, "Redis 7.0.15, standalone, primary"],
  [{ redis_version: "7.2.4", valkey_version: "9.1.2", server_name: "valkey" }, "Valkey 9.1.2"],
  [{ redis_version: "7.2.4", server_name: "valkey" }, "Valkey 7.2.4"],
  [{ redis_version: "7.2.4", redict_version: "7.3.6" }, "Redict 7.3.6"],
])("names the server: %j", (info, name) => {
  const facts = { info: new Map(Object.entries({ ...SOUND, ...info })), config: new Map<string, string>() };
  expect(checkServer(facts, false)[0]).toMatchObject({ severity: "info", check: "server" });
  expect(checkServer(facts, false)[0]?.evidence).toContain(name);
});

describe("each fault", () => {
  test.each<[Record<string, string>, Record<string, string>, string]>([
    [{ redis_version: "6.0.16" }, {}, "warning server: Redis 6.0.16, standalone, primary: before 6.2"],
    [{ dragonfly_version: "df-v1.30.0" }, {}, "warning server: Dragonfly, which says it is Redis 7.4.1"],
    [{ redis_version: "6.3.4", mvcc_depth: "0" }, {}, "warning server: KeyDB, which says it is Redis 6.3.4"],
    [{ aof_enabled: "0" }, {}, "warning persistence: neither append-only file nor snapshots"],
    [{ aof_enabled: "0" }, { save: "3600 1" }, "info persistence: snapshots only (save 3600 1)"],
    [{ rdb_last_bgsave_status: "err" }, {}, "error persistence: the last snapshot failed"],
    [
      { aof_last_write_status: "err" },
      {},
      "error persistence: the last write to the append-only file failed",
    ],
    [{ maxmemory_policy: "allkeys-lru", maxmemory: "100000" }, {}, "error eviction"],
    [{ maxmemory_policy: "allkeys-lru" }, {}, "warning eviction"],
    [{ maxmemory: "100", used_memory: "85" }, {}, "warning memory: 85 % of maxmemory"],
    [{ maxmemory: "100", used_memory: "99" }, {}, "error memory: 99 % of maxmemory"],
    [{ connected_clients: "8100" }, {}, "warning clients: 8100 of at most"],
    [{ connected_clients: "9900" }, {}, "error clients"],
    [{ rejected_connections: "3" }, {}, "warning clients: 3 connections were refused"],
    [
      {},
      { "client-output-buffer-limit": "normal 1000 0 0 slave 1 1 1" },
      "warning clients: clients are cut off",
    ],
    [{ role: "slave", master_link_status: "up" }, {}, "info replication: this is a replica"],
    [{ cluster_enabled: "1" }, {}, "warning cluster: this is one node"],
  ])("%j %j", (info, config, expected) => {
    const all = found(info, config);
    expect(all).toHaveLength(1);
    expect(all[0]).toContain(expected);
  });

  test("a replica that has lost its primary is an error besides", () => {
    const all = found({ role: "slave", master_link_status: "down", master_host: "m", master_port: "1" });
    expect(all[1]).toContain("error replication: the link to m:1 is down");
  });

  test("a cluster that is not whole", () => {
    const info = decodeInfo("cluster_state:fail\r\ncluster_slots_ok:10923\r\n");
    expect(checkCluster(info)).toMatchObject([{ severity: "error", check: "cluster" }]);
    expect(checkCluster(decodeInfo("cluster_state:ok\r\n"))).toEqual([]);
  });
});

test("what may not be seen is said, and is no fault", () => {
  const facts = { info: undefined, config: new Map<string, string>() };
  expect(checkServer(facts, false)).toMatchObject([{ severity: "info", check: "unseen" }]);
  const noConfig = {
    info: new Map(Object.entries({ ...SOUND, aof_enabled: "0" })),
    config: new Map<string, string>(),
  };
  expect(checkServer(noConfig, false).map(({ check }) => check)).toEqual(["server", "unseen"]);
});

test("volatile keys go only where there is a limit", () => {
  const facts = (maxmemory: string, policy: string): Parameters<typeof evictsVolatile>[0] => ({
    info: new Map([
      ["maxmemory", maxmemory],
      ["maxmemory_policy", policy],
    ]),
    config: new Map(),
  });
  expect(evictsVolatile(facts("100", "volatile-lru"))).toBe(true);
  expect(evictsVolatile(facts("0", "volatile-lru"))).toBe(false);
  expect(evictsVolatile(facts("100", "noeviction"))).toBe(false);
});
