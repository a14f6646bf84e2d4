import { Cluster, Redis, type ClusterOptions, type RedisOptions } from "ioredis";
import { ConnectionError, errorText, type StreamctlError } from "../errors.ts";
import { reconnectDelayMs } from "./backoff.ts";
import { errorCode, translateReply } from "./errors.ts";
import { keySlot } from "./keys.ts";
import { type ConnectionSettings, describeTarget } from "./settings.ts";
import type { Arg, Value } from "./value.ts";

/** Replies that no reconnecting will mend. */
const FINAL = new Set(["WRONGPASS", "NOAUTH", "NOPERM"]);

type Events = { ready: () => void; close: () => void; error: (error: unknown) => void };

/**
 * ioredis, with the options under which it never repeats a command: nothing is queued while offline, and
 * a command in flight when the connection dies rejects. This file is the only value import of ioredis.
 */
export class Client {
  readonly #redis: Redis | Cluster;
  readonly #settings: ConnectionSettings;
  #final: StreamctlError | undefined;
  #lastError: unknown;

  constructor(redis: Redis | Cluster, settings: ConnectionSettings) {
    this.#redis = redis;
    this.#settings = settings;
    redis.on("error", (error: unknown) => {
      this.#lastError = rootCause(error);
      const text = errorText(this.#lastError);
      if (FINAL.has(errorCode(text))) {
        this.#final = translateReply(text, { command: "AUTH" });
        redis.disconnect();
      }
    });
  }

  get raw(): Redis | Cluster {
    return this.#redis;
  }

  get ready(): boolean {
    return this.#redis.status === "ready";
  }

  on<E extends keyof Events>(event: E, listener: Events[E]): void {
    this.#redis.on(event, listener);
  }

  /** Connects, or rejects with the reason in words. A refused port is final; a failover in progress is waited for. */
  async connectOnce(signal?: AbortSignal): Promise<void> {
    const patient = this.#settings.mode !== "standalone";
    await new Promise<void>((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#redis.off("ready", onReady);
        this.#redis.off("close", onDown);
        this.#redis.off("end", onEnd);
        outcome();
      };
      const fail = (): void => settle(() => reject(this.#final ?? this.#cannotConnect()));
      const onReady = (): void => settle(resolve);
      const onDown = (): void => {
        if (!patient || this.#final) fail();
      };
      const onEnd = fail;
      const onAbort = fail;
      const timer = setTimeout(fail, this.#settings.connectTimeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#redis.on("ready", onReady);
      this.#redis.on("close", onDown);
      this.#redis.on("end", onEnd);
      this.#redis.connect().catch((error: unknown) => {
        this.#lastError ??= error;
      });
    });
  }

  /** One command, sent at most once. `timeoutMs` 0 waits for ever; a late reply condemns the connection. */
  async call(command: string, args: readonly Arg[], timeoutMs: number): Promise<Value> {
    if (this.#final) throw this.#final;
    if (!this.ready) {
      throw new ConnectionError(`not connected to ${describeTarget(this.#settings)}${this.#reason()}`);
    }
    const reply = this.#redis.callBuffer(command, ...args) as Promise<Value>;
    if (timeoutMs <= 0) return reply;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          new ConnectionError(
            `no answer to ${command} within ${timeoutMs} ms from ${describeTarget(this.#settings)}`,
            {
              sent: true,
            },
          ),
        );
        this.#redis.disconnect(true);
      }, timeoutMs);
    });
    try {
      return await Promise.race([reply, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Drops the socket and reconnects: for a peer that has gone silent. */
  reset(): void {
    this.#redis.disconnect(true);
  }

  close(): void {
    this.#redis.disconnect();
  }

  #reason(): string {
    return this.#lastError === undefined ? "" : `: ${errorText(this.#lastError)}`;
  }

  #cannotConnect(): ConnectionError {
    return new ConnectionError(
      `could not connect to ${describeTarget(this.#settings)}${this.#reason() || ": timed out"}`,
      {
        hint: "check that Redis runs there; -u/--url, REDIS_URL or a profile name another",
        cause: this.#lastError,
      },
    );
  }
}

/** A client that is not connected yet; connectOnce() connects it. */
export function createClient(settings: ConnectionSettings, name: string): Client {
  if (settings.mode !== "cluster") return new Client(makeRedis(redisOptions(settings, name)), settings);
  const options: ClusterOptions & { redisOptions: Omit<NodeOptions, NotForNodes> } = {
    lazyConnect: true,
    enableOfflineQueue: false,
    retryDelayOnFailover: 0,
    clusterRetryStrategy: (attempt) => reconnectDelayMs(attempt),
    slotsRefreshTimeout: Math.max(1_000, Math.min(5_000, settings.connectTimeoutMs)),
    redisOptions: nodeOptions(settings, name),
  };
  // With TLS the certificate names hosts, so the addresses must not be resolved for it.
  if (settings.tls) options.dnsLookup = (address, callback) => callback(null, address);
  return new Client(new Cluster([{ host: settings.host, port: settings.port }], options), settings);
}

/** The options for one more connection to the node that holds `key`. */
export function optionsForKey(
  client: Client,
  settings: ConnectionSettings,
  name: string,
  key: string,
): RedisOptions {
  const { raw } = client;
  if (!(raw instanceof Cluster)) return redisOptions(settings, name);
  const owner = raw.slots[keySlot(key)]?.[0];
  const node = raw.nodes("master").find((redis) => `${redis.options.host}:${redis.options.port}` === owner);
  if (!node) throw new ConnectionError(`no node of the cluster serves the slot of ${key} now`);
  const { host = settings.host, port = settings.port } = node.options;
  return { ...nodeOptions(settings, name), host, port };
}

/** A single connection (or Sentinel-made one) that is not connected yet. */
export function makeRedis(options: RedisOptions): Redis {
  return new Redis({ ...options, lazyConnect: true, replyMapping: "legacy" });
}

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

function nodeOptions(settings: ConnectionSettings, name: string): NodeOptions {
  const options: NodeOptions = {
    protocol: 2,
    replyMapping: "legacy",
    connectionName: name,
    // CLIENT SETINFO is refused to least-privilege users, and nothing here needs it.
    disableClientInfo: true,
    // INFO, too; a server that is loading answers LOADING, which is retried.
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    keepAlive: 10_000,
    noDelay: true,
    connectTimeout: settings.connectTimeoutMs,
    lazyConnect: true,
  };
  if (settings.username !== undefined) options.username = settings.username;
  if (settings.password !== undefined) options.password = settings.password;
  const { tls } = settings;
  if (tls) {
    options.tls = {
      rejectUnauthorized: !tls.insecure,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      ...(tls.servername === undefined ? {} : { servername: tls.servername }),
    };
  }
  return options;
}

function redisOptions(settings: ConnectionSettings, name: string): RedisOptions {
  const options: RedisOptions = {
    ...nodeOptions(settings, name),
    db: settings.db,
    retryStrategy: (attempt) => reconnectDelayMs(attempt),
  };
  if (settings.mode === "sentinel") {
    options.sentinels = [...(settings.sentinels ?? [])];
    options.name = settings.master ?? "mymaster";
    options.sentinelRetryStrategy = (attempt) => reconnectDelayMs(attempt);
    // Without it the old master is kept for seconds after a failover, and acknowledged writes are lost.
    options.failoverDetector = true;
    if (settings.tls) {
      options.enableTLSForSentinelMode = true;
      options.sentinelTLS = options.tls;
    }
  } else if (settings.path !== undefined) options.path = settings.path;
  else {
    options.host = settings.host;
    options.port = settings.port;
  }
  return options;
}

/** ioredis wraps what the nodes said. */
function rootCause(error: unknown): unknown {
  const inner =
    error instanceof Error ? (error as Error & { lastNodeError?: unknown }).lastNodeError : undefined;
  return inner ?? error;
}
