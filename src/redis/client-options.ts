import type { ClusterOptions, RedisOptions } from "ioredis";
import { MAX_TIMER_MS } from "../lib/timer.ts";
import { reconnectDelayMs } from "../lib/reconnect-delay.ts";
import { errorCode } from "./errors.ts";
import type { ConnectionSettings, HostPort } from "./settings.ts";

/** How long a socket that is being closed may take to flush before it is destroyed. */
const CLOSE_GRACE_MS = 200;

/** Sentinel may be asked again soon: a failover takes a second or two. */
const SENTINEL_RETRY_MS = 500;

type NodeOptions = RedisOptions & { replyMapping: "legacy" };

/** Options that ioredis sets itself for the nodes of a cluster. */
type NotForNodes =
  | "enableOfflineQueue"
  | "himportFieldsets"
  | "host"
  | "path"
  | "port"
  | "readOnly"
  | "retryStrategy"
  | "sentinels";

/**
 * The options under which ioredis never repeats a command: nothing is queued while offline, and a command
 * in flight when the connection dies rejects.
 */
export function nodeOptions(settings: ConnectionSettings, name: string): NodeOptions {
  const options: NodeOptions = {
    protocol: 2,
    replyMapping: "legacy",
    connectionName: name,
    // CLIENT SETINFO is refused to least-privilege users, and nothing here needs it.
    disableClientInfo: true,
    // INFO, too; a server that is loading answers LOADING, which is waited for.
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    keepAlive: 10_000,
    noDelay: true,
    connectTimeout: Math.min(settings.connectTimeoutMs, MAX_TIMER_MS),
    disconnectTimeout: CLOSE_GRACE_MS,
    lazyConnect: true,
  };
  if (settings.username !== undefined) options.username = settings.username;
  if (settings.password !== undefined) options.password = settings.password;
  if (settings.tls) options.tls = tlsOptions(settings.tls);
  return options;
}

/** Options for one connection to a server, to the master that Sentinel names, or to a socket. */
export function redisOptions(settings: ConnectionSettings, name: string): RedisOptions {
  const options: RedisOptions = {
    ...nodeOptions(settings, name),
    db: settings.db,
    retryStrategy: reconnectDelayMs,
  };
  if (settings.mode === "sentinel") return { ...options, ...sentinelOptions(settings) };
  if (settings.path !== undefined) options.path = settings.path;
  else {
    options.host = settings.host;
    options.port = settings.port;
  }
  // A name may point at another server by now (a managed failover): look it up again.
  options.reconnectOnError = demoted;
  return options;
}

export function clusterOptions(
  settings: ConnectionSettings,
  name: string,
): ClusterOptions & { redisOptions: Omit<NodeOptions, NotForNodes> } {
  const options: ClusterOptions & { redisOptions: Omit<NodeOptions, NotForNodes> } = {
    lazyConnect: true,
    // For a node that is just being connected: without it, all but the first command there are refused.
    // Client.call gives nothing to a cluster that is not ready.
    enableOfflineQueue: true,
    // With any other value a command whose reply was lost is sent again.
    retryDelayOnFailover: 0,
    clusterRetryStrategy: (attempt) => reconnectDelayMs(attempt),
    slotsRefreshTimeout: Math.max(1_000, Math.min(5_000, settings.connectTimeoutMs)),
    redisOptions: nodeOptions(settings, name),
  };
  const natMap = natMapOf(settings);
  if (natMap) options.natMap = natMap;
  // With TLS the certificate names hosts, so the addresses must not be resolved for it.
  if (settings.tls) options.dnsLookup = (address, callback) => callback(null, address);
  return options;
}

function sentinelOptions(settings: ConnectionSettings): RedisOptions {
  const options: RedisOptions = {
    sentinels: [...(settings.sentinels ?? [])],
    sentinelRetryStrategy: (attempt) => Math.min(SENTINEL_RETRY_MS, reconnectDelayMs(attempt)),
    // A Sentinel that accepts and never answers must not hold up the others.
    sentinelCommandTimeout: Math.max(1, Math.min(2_000, settings.connectTimeoutMs)),
    // Without it the old master is kept for seconds after a failover, and acknowledged writes are lost.
    failoverDetector: true,
    // The old master answers READONLY once it is a replica: ask Sentinel again.
    reconnectOnError: demoted,
  };
  const natMap = natMapOf(settings);
  if (natMap) options.natMap = natMap;
  if (settings.master !== undefined) options.name = settings.master;
  if (settings.sentinelUsername !== undefined) options.sentinelUsername = settings.sentinelUsername;
  if (settings.sentinelPassword !== undefined) options.sentinelPassword = settings.sentinelPassword;
  if (settings.tls) {
    options.enableTLSForSentinelMode = true;
    options.sentinelTLS = tlsOptions(settings.tls);
  }
  return options;
}

/** ioredis looks addresses up as `host:port`. */
function natMapOf({ natMap }: ConnectionSettings): Record<string, HostPort> | undefined {
  if (natMap === undefined) return undefined;
  return Object.fromEntries(natMap.map(({ from, host, port }) => [from, { host, port }]));
}

/** Drops the connection and rejects the command; it is not sent again. */
function demoted(error: Error): boolean {
  return errorCode(error.message) === "READONLY";
}

function tlsOptions(tls: NonNullable<ConnectionSettings["tls"]>): NonNullable<RedisOptions["tls"]> {
  return {
    rejectUnauthorized: !tls.insecure,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.servername === undefined ? {} : { servername: tls.servername }),
  };
}
