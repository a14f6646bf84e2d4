import { formatNumber } from "../../units.ts";
import { type Finding, finding, type Severity, unseen } from "./finding.ts";
import type { ServerFacts } from "./server-facts.ts";

/** From these shares of a limit on it is a warning, and an error. */
const NEAR = 0.8;
const AT = 0.95;

/** What is wrong with a server, as far as it can be seen. Pure. */
export function checkServer(facts: ServerFacts, connectedAsCluster: boolean): Finding[] {
  const { node, unreachable, info, config } = facts;
  if (node !== undefined)
    return checkServer({ ...facts, node: undefined }, connectedAsCluster).map((found) => ({
      ...found,
      evidence: `${node}: ${found.evidence}`,
    }));
  if (unreachable !== undefined)
    return [finding("error", "cluster", `no answer from this node: ${unreachable}`, NODE_FIX)];
  if (info === undefined) return [unseen("the server", "the user may not call INFO")];
  return [
    ...version(info),
    ...persistence(info, config),
    ...eviction(info),
    ...memory(info),
    ...clients(info, config),
    ...replication(info),
    ...clusterNode(info, connectedAsCluster),
  ];
}

const NODE_FIX = "start it again, or let a replica take over (CLUSTER FAILOVER FORCE there)";

type Info = ReadonlyMap<string, string>;

/** True when the server may drop keys that have a time to live, though not others. */
export function evictsVolatile({ info }: ServerFacts): boolean {
  return numberOf(info, "maxmemory") > 0 && info?.get("maxmemory_policy")?.startsWith("volatile-") === true;
}

function version(info: Info): Finding[] {
  const valkey = info.get("valkey_version");
  const redict = info.get("redict_version");
  const redis = info.get("redis_version") ?? "?";
  // Valkey 7.2 calls itself redis in redis_version, and by its name in server_name only.
  const name = valkey || info.get("server_name") === "valkey" ? "Valkey" : redict ? "Redict" : "Redis";
  const number = valkey ?? redict ?? redis;
  const role = info.get("role") === "slave" ? "replica" : "primary";
  const where = `${name} ${number}, ${info.get("redis_mode") ?? "standalone"}, ${role}`;
  const other = OTHERS.find(([, field]) => info.has(field));
  if (other) {
    const evidence = `${other[0]}, which says it is ${where}: streamctl is tested on Redis, Valkey and Redict alone`;
    return [
      finding("warning", "server", evidence, "try on it what you rely on, scripts and kill -9 above all"),
    ];
  }
  if (/^6\.[01]\./.test(redis)) {
    const evidence = `${where}: before 6.2 streams can't be trimmed by age, and it gets no more fixes`;
    return [finding("warning", "server", evidence, "upgrade the server")];
  }
  return [finding("info", "server", where, null)];
}

/** Products that speak the protocol, each with a field that INFO has there only. */
const OTHERS = [
  ["Dragonfly", "dragonfly_version"],
  ["KeyDB", "mvcc_depth"],
  ["Kvrocks", "kvrocks_version"],
  ["Garnet", "garnet_version"],
] as const;

function persistence(info: Info, config: ServerFacts["config"]): Finding[] {
  const found: Finding[] = [];
  const save = config.get("save");
  if (info.get("aof_enabled") !== "1") {
    if (save === undefined)
      found.push(unseen("snapshots", "the user may not call CONFIG GET; the append-only file is off"));
    else if (save === "") {
      const evidence = "neither append-only file nor snapshots: a restart loses every stream and group";
      found.push(finding("warning", "persistence", evidence, "CONFIG SET appendonly yes, and in redis.conf"));
    } else {
      const evidence = `snapshots only (save ${save}): a crash loses what came after the last one`;
      found.push(finding("info", "persistence", evidence, "CONFIG SET appendonly yes, and in redis.conf"));
    }
  }
  for (const [field, what] of WRITES) {
    if ((info.get(field) ?? "ok") !== "ok")
      found.push(
        finding("error", "persistence", `${what} failed (${field})`, "see the server's log; check its disk"),
      );
  }
  return found;
}

const WRITES = [
  ["rdb_last_bgsave_status", "the last snapshot"],
  ["aof_last_write_status", "the last write to the append-only file"],
  ["aof_last_bgrewrite_status", "the last rewrite of the append-only file"],
] as const;

function eviction(info: Info): Finding[] {
  const policy = info.get("maxmemory_policy") ?? "";
  if (!policy.startsWith("allkeys-")) return [];
  const fix = "CONFIG SET maxmemory-policy noeviction, and in redis.conf";
  if (numberOf(info, "maxmemory") === 0) {
    const evidence = `maxmemory-policy is ${policy}: with a maxmemory it would drop whole streams`;
    return [finding("warning", "eviction", evidence, fix)];
  }
  const evicted = numberOf(info, "evicted_keys");
  const already = evicted > 0 ? `; ${formatNumber(evicted)} keys are gone already` : "";
  const evidence = `maxmemory-policy is ${policy}: a full server drops whole streams with their groups${already}`;
  return [finding("error", "eviction", evidence, fix)];
}

function memory(info: Info): Finding[] {
  const limit = numberOf(info, "maxmemory");
  const share = numberOf(info, "used_memory") / limit;
  const severity = limit === 0 ? undefined : severityOf(share);
  if (severity === undefined) return [];
  const evidence = `${percent(share)} of maxmemory is used: at 100 % nothing can be added, dead letters included`;
  return [finding(severity, "memory", evidence, "trim streams (streamctl trim), or raise maxmemory")];
}

function clients(info: Info, config: ServerFacts["config"]): Finding[] {
  const found: Finding[] = [];
  const limit = Number(info.get("maxclients") ?? config.get("maxclients") ?? Number.NaN);
  const connected = numberOf(info, "connected_clients");
  const severity = severityOf(connected / limit);
  if (severity !== undefined) {
    const evidence = `${formatNumber(connected)} of at most ${formatNumber(limit)} clients are connected`;
    found.push(
      finding(severity, "clients", evidence, "raise maxclients, or find who leaves connections open"),
    );
  }
  const rejected = numberOf(info, "rejected_connections");
  if (rejected > 0) {
    const evidence = `${formatNumber(rejected)} connections were refused since the server started`;
    found.push(finding("warning", "clients", evidence, "raise maxclients"));
  }
  const buffer = Number(/normal (\d+)/.exec(config.get("client-output-buffer-limit") ?? "")?.[1] ?? 0);
  if (buffer > 0 && buffer < LEAST_BUFFER) {
    const evidence = `clients are cut off at ${formatNumber(buffer)} bytes of replies: pages of large entries fail`;
    const fix = 'CONFIG SET client-output-buffer-limit "normal 0 0 0"';
    found.push(finding("warning", "clients", evidence, fix));
  }
  return found;
}

/** A page of entries takes a few MB; one entry alone may take more. */
const LEAST_BUFFER = 16 * 1024 * 1024;

function replication(info: Info): Finding[] {
  if (info.get("role") !== "slave") return [];
  const primary = `${info.get("master_host")}:${info.get("master_port")}`;
  const found = [
    finding(
      "info",
      "replication",
      `this is a replica of ${primary}: commands that change data are refused here`,
      "connect to the primary to change anything",
    ),
  ];
  if (info.get("master_link_status") === "down") {
    const evidence = `the link to ${primary} is down: what is seen here is out of date`;
    found.push(finding("error", "replication", evidence, "check the primary and the network between them"));
  }
  return found;
}

function clusterNode(info: Info, connectedAsCluster: boolean): Finding[] {
  if (info.get("cluster_enabled") !== "1" || connectedAsCluster) return [];
  const evidence = "this is one node of a cluster: only its own keys are seen";
  return [finding("warning", "cluster", evidence, "pass --cluster")];
}

/** What CLUSTER INFO says. */
export function checkCluster(info: Info): Finding[] {
  if (info.get("cluster_state") === "ok") return [];
  const evidence = `cluster_state is ${info.get("cluster_state")}, ${info.get("cluster_slots_ok")} of 16384 slots are served`;
  return [finding("error", "cluster", evidence, "redis-cli --cluster check HOST:PORT tells what is missing")];
}

function severityOf(share: number): Severity | undefined {
  return share >= AT ? "error" : share >= NEAR ? "warning" : undefined;
}

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

function numberOf(info: Info | undefined, name: string): number {
  return Number(info?.get(name) ?? 0);
}
