import type { Socket } from "node:net";
import { ConnectionError, errorText, type StreamctlError } from "../errors.ts";
import { sleep, startTimer, type Timer } from "../lib/timer.ts";
import { reconnectDelayMs } from "../lib/reconnect-delay.ts";
import { cannotConnect, isHopeless, WrongServer } from "./connect-error.ts";
import { Failover, hearSentinelErrors, hearSentinels } from "./failover.ts";
import { outsideCluster, translateReply } from "./errors.ts";
import type { Cluster, Redis } from "ioredis";
import { isCluster, PASSWORD_UNUSED, takeHandshake } from "./ioredis.ts";
import { isLarge, LargeCommand } from "./large-command.ts";
import { addressOf, NodeWatch, peerOf, slotOwners, socketOf } from "./nodes.ts";
import { type ConnectionSettings, describeTarget } from "./settings.ts";
import { SilenceWatch } from "./silence.ts";
import { codeOf, refusedForGood, ConnectFailure } from "./connect-failure.ts";
import type { Arg, Value } from "./value.ts";

/** Replies that no reconnecting will mend. */
const FINAL = new Set(["WRONGPASS", "NOAUTH", "NOPERM", "NODB"]);

/** Replies to PING of a server that will take commands soon. */
const NOT_YET = new Set(["LOADING", "MASTERDOWN", "BUSY"]);

/** Where a connection waits: the cluster's node, as the slot table has it, or the server's end of its socket. */
export interface Waiting {
  readonly node: string | undefined;
  readonly peer: string | undefined;
}

type Events = { ready: () => void; close: () => void; error: (error: unknown) => void };

/** One primary of a cluster; without an address, the one server there is. */
interface Node extends Pick<Client, "call"> {
  readonly address: string | undefined;
}

/**
 * One ioredis client (a server, a Sentinel's master or a cluster) that sends every command at most once,
 * gives up on refused credentials, and notices a peer that has gone silent.
 */
export class Client {
  readonly #redis: Redis | Cluster;
  readonly #settings: ConnectionSettings;
  readonly #inCluster: boolean;
  #final: StreamctlError | undefined;
  readonly #failure = new ConnectFailure();
  #handshake: Timer | undefined;
  #corked = false;
  #movedAt = Number.NEGATIVE_INFINITY;
  readonly #nodes: NodeWatch | undefined;
  /** Of the master that Sentinel names; all clients of a run go by what the first has heard. */
  readonly failover: Failover | undefined;

  /** `node`: the one server is a cluster's, and its caller follows slots that move. */
  constructor(
    redis: Redis | Cluster,
    settings: ConnectionSettings,
    { node = false, failover }: { node?: boolean; failover?: Failover | undefined } = {},
  ) {
    this.#redis = redis;
    this.#settings = settings;
    this.#inCluster = node || isCluster(redis);
    redis.on("error", (error: unknown) => this.#failed(error));
    redis.on("node error", (error: unknown) => {
      if (error instanceof WrongServer) this.#failed(error);
      else this.#failure.notePart(error);
    });
    hearSentinelErrors(redis, (error) => this.#failure.notePart(error));
    redis.on("connecting", () => this.#failure.clear());
    redis.on("connect", () => this.#limitHandshake());
    redis.on("ready", () => this.#handshake?.stop());
    redis.on("close", () => this.#handshake?.stop());
    this.failover = failover ?? this.#hearOfFailovers();
    if (isCluster(redis)) this.#nodes = new NodeWatch(redis, settings.commandTimeoutMs);
  }

  /** The client underneath, for what only it can do (a pipeline takes over its socket). */
  get raw(): Redis | Cluster {
    return this.#redis;
  }

  get ready(): boolean {
    return this.#redis.status === "ready" && this.#final === undefined && !this.#failingOver;
  }

  get #failingOver(): boolean {
    return this.failover?.forbids(this.peer) ?? false;
  }

  #hearOfFailovers(): Failover | undefined {
    const redis = this.#redis;
    const { mode, master } = this.#settings;
    if (mode !== "sentinel" || master === undefined || isCluster(redis)) return undefined;
    const failover = new Failover(master, () => this.peer);
    hearSentinels(redis, (channel, message) => failover.heard(channel, message));
    return failover;
  }

  /** When a command that takes long was last seen to make progress, by performance.now(). */
  get movedAt(): number {
    return this.#movedAt;
  }

  /** The server's end of the socket as `address:port`; undefined without one. */
  get peer(): string | undefined {
    return isCluster(this.#redis) ? undefined : peerOf(this.#redis);
  }

  /** Why the link is down, as far as it is known. */
  get reason(): string {
    if (this.#final) return this.#final.message;
    if (this.#failingOver) return "a failover is under way";
    const { last } = this.#failure;
    return last === undefined ? "connection closed" : errorText(last);
  }

  on<E extends keyof Events>(event: E, listener: Events[E]): void {
    this.#redis.on(event, listener);
  }

  /** Calls back when the server turns out to need no password although one was given. */
  onPasswordUnused(listener: () => void): void {
    if (isCluster(this.#redis)) this.#redis.on("+node", (node: Redis) => node.on(PASSWORD_UNUSED, listener));
    else this.#redis.on(PASSWORD_UNUSED, listener);
  }

  /**
   * Connects, or rejects with the reason in words. A refused port is final; a failover in progress, a
   * cluster that is not whole and a server that is loading are waited for, up to connectTimeoutMs.
   */
  async connectOnce(signal?: AbortSignal): Promise<void> {
    const deadline = performance.now() + this.#settings.connectTimeoutMs;
    this.#redis.connect().catch((error: unknown) => {
      if (this.#failure.last === undefined) this.#failure.note(error);
    });
    for (let attempt = 0; ; attempt++) {
      await this.#becomeReady(deadline - performance.now(), signal);
      const obstacle = await this.#obstacle();
      if (obstacle === undefined) return;
      const patient = this.#patient || NOT_YET.has(codeOf(obstacle));
      if (this.#final || !patient || signal?.aborted || performance.now() >= deadline)
        throw this.#final ?? this.#refusal(obstacle);
      await sleep(reconnectDelayMs(attempt), signal);
    }
  }

  /** One command, sent at most once. `timeoutMs` 0 waits for ever; a late reply condemns the connection. */
  async call(command: string, args: readonly Arg[], timeoutMs: number): Promise<Value> {
    if (this.#final) throw this.#final;
    if (!this.ready) {
      this.#leaveOldMaster();
      throw new ConnectionError(`not connected to ${describeTarget(this.#settings)}: ${this.reason}`);
    }
    this.#cork();
    const sent = args.some(isLarge)
      ? this.#redis.sendCommand(new LargeCommand(command, args))
      : this.#redis.callBuffer(command, ...args);
    const reply = sent as Promise<Value>;
    return this.#limited(this.#inCluster ? reply : reply.catch(rethrowOutsideCluster), command, timeoutMs);
  }

  /** Connects anew, and asks Sentinel again, when what it said before a failover still holds here. */
  #leaveOldMaster(): void {
    if (this.#redis.status === "ready" && this.failover?.isOld(this.peer)) this.reset();
  }

  /** A handle on each primary of a cluster that has slots; outside one, this client alone. */
  primaries(): Node[] {
    const redis = this.#redis;
    if (!isCluster(redis)) return [{ address: undefined, call: (...args) => this.call(...args) }];
    return slotOwners(redis).map(({ address, node }) => ({
      address,
      call: async (command, args, timeoutMs) => {
        // One that is down is often gone from ioredis' pool: it fails like one whose connection breaks now.
        if (!node) throw new Error("connection is closed");
        return this.#limited(node.callBuffer(command, ...args) as Promise<Value>, command, timeoutMs);
      },
    }));
  }

  /**
   * Wakes the blocked client `id` of the server that it waits at. IDs are each server's own: another node of a
   * cluster, or the master after a failover, would wake a stranger.
   */
  async unblock(id: number, { node: address, peer }: Waiting, timeoutMs: number): Promise<void> {
    const redis = this.#redis;
    const node = isCluster(redis)
      ? redis.nodes().find((one) => addressOf(one) === address)
      : peer !== undefined && peerOf(redis) === peer && redis;
    if (!node || !this.ready) return;
    await this.#limited(node.client("UNBLOCK", id), "CLIENT UNBLOCK", timeoutMs);
  }

  /** Reads a cluster's slot table again; resolves also when no node answers, with the table as it was. */
  refreshSlots(): Promise<void> {
    const redis = this.#redis;
    if (!isCluster(redis)) return Promise.resolve();
    return new Promise((resolve) => redis.refreshSlotsCache(() => resolve()));
  }

  /** Drops the socket and reconnects: for a peer that has gone silent. */
  reset(): void {
    this.#redis.disconnect(true);
  }

  close(): void {
    this.#handshake?.stop();
    this.#nodes?.stop();
    this.#redis.disconnect();
  }

  get #patient(): boolean {
    return this.#settings.mode !== "standalone";
  }

  /** Resolves at `ready`; rejects when waiting longer is no use. */
  #becomeReady(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.ready) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        timer.stop();
        signal?.removeEventListener("abort", onAbort);
        this.#redis.off("ready", onReady);
        this.#redis.off("close", onClose);
        this.#redis.off("end", onEnd);
        outcome();
      };
      const fail = (otherwise?: Error): void =>
        settle(() => reject(this.#final ?? cannotConnect(this.#settings, this.#failure.last ?? otherwise)));
      const onReady = (): void => settle(resolve);
      const onAbort = (): void =>
        settle(() =>
          reject(new ConnectionError(`stopped while connecting to ${describeTarget(this.#settings)}`)),
        );
      const onEnd = (): void => fail(new Error("Connection is closed"));
      const onClose = (): void => {
        if (!this.#patient || this.#final) onEnd();
      };
      const timer = startTimer(timeoutMs, () => fail());
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#redis.on("ready", onReady);
      this.#redis.on("close", onClose);
      this.#redis.on("end", onEnd);
      if (signal?.aborted) onAbort();
    });
  }

  /** What keeps a connection that is up from being of use: PING's error. A user without PING is fine. */
  async #obstacle(): Promise<unknown> {
    if (this.#final) return this.#final;
    // A cluster has just answered CLUSTER SLOTS and CLUSTER INFO.
    if (isCluster(this.#redis)) return undefined;
    const { connectTimeoutMs } = this.#settings;
    const handshake = takeHandshake(this.#redis);
    try {
      if (!handshake) await this.call("PING", [], connectTimeoutMs);
      else await this.#limited(handshake.ping, "PING", connectTimeoutMs);
      return handshake && (await this.#limited(handshake.wrong, "HELLO", connectTimeoutMs));
    } catch (error) {
      return codeOf(error) === "NOPERM" || /unknown command/i.test(errorText(error)) ? undefined : error;
    }
  }

  #refusal(obstacle: unknown): StreamctlError {
    const isReply = obstacle instanceof Error && obstacle.name === "ReplyError";
    if (isReply) return translateReply(errorText(obstacle), { command: "PING" });
    return cannotConnect(this.#settings, this.#failure.last ?? obstacle);
  }

  #failed(thrown: unknown): void {
    const error = this.#failure.note(thrown);
    const code = codeOf(error);
    if (isHopeless(error)) {
      this.#final ??= cannotConnect(this.#settings, error);
      this.#redis.disconnect();
    }
    if (FINAL.has(code)) {
      this.#final ??= refusedForGood(error as Error, this.#settings);
      this.#redis.disconnect();
    }
  }

  /** A peer that accepts and then says nothing would hold a reconnect for ever. */
  #limitHandshake(): void {
    this.#handshake?.stop();
    this.#handshake = startTimer(this.#settings.connectTimeoutMs, () => {
      this.#failure.set(new ConnectionError("no answer to the handshake"));
      this.#redis.disconnect(true);
    });
  }

  async #limited<T>(reply: Promise<T>, command: string, timeoutMs: number): Promise<T> {
    if (timeoutMs <= 0) return reply;
    let watch: SilenceWatch | undefined;
    const late = new Promise<never>((_, reject) => {
      const onSilent = (): void => {
        const target = describeTarget(this.#settings);
        const message = `no answer to ${command} within ${timeoutMs} ms from ${target}`;
        reject(new ConnectionError(message, { sent: true }));
        // In a cluster the silent node's own watch drops its socket; the others are well.
        if (!isCluster(this.#redis)) this.reset();
      };
      const onMove = (): void => {
        this.#movedAt = performance.now();
      };
      watch = new SilenceWatch({ sockets: () => this.#sockets, limitMs: timeoutMs, onSilent, onMove });
    });
    try {
      return await Promise.race([reply, late]);
    } finally {
      watch?.stop();
    }
  }

  get #sockets(): Socket[] {
    const redis = this.#redis;
    const clients = isCluster(redis) ? redis.nodes("master") : [redis];
    return clients.flatMap((client) => socketOf(client) ?? []);
  }

  /** Commands given in one turn of the event loop leave in one write: `lag` sends hundreds. */
  #cork(): void {
    if (this.#corked) return;
    const sockets = this.#sockets;
    this.#corked = true;
    for (const socket of sockets) socket.cork();
    setImmediate(() => {
      this.#corked = false;
      for (const socket of sockets) socket.uncork();
    });
  }
}

function rethrowOutsideCluster(error: unknown): never {
  if (error instanceof Error && error.name === "ReplyError") error.message = outsideCluster(error.message);
  throw error;
}
