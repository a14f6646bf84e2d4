import { ConnectionError, errorText, ServerError } from "../errors.ts";
import { sleep } from "../lib/timer.ts";
import { reconnectDelayMs } from "../lib/reconnect-delay.ts";
import { BlockingReader } from "./blocking-reader.ts";
import type { Client, Waiting } from "./client.ts";
import { isTransient, translateThrown } from "./errors.ts";
import { keyOf } from "./keys.ts";
import { isLarge } from "./large-command.ts";
import { Pipeline } from "./pipeline.ts";
import { clientForKey, createClient, ownerAddress } from "./make-client.ts";
import type { Script } from "./script.ts";
import { type ConnectionSettings, describeTarget } from "./settings.ts";
import { type Arg, asText, type Value } from "./value.ts";

export interface OpenOptions {
  /** The CLIENT SETNAME of every connection made: `streamctl:<command>`. */
  readonly name: string;
  readonly signal?: AbortSignal | undefined;
  /** Hears of what is odd and yet no error; each warning comes once. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

export type LinkState = { readonly up: true } | { readonly up: false; readonly reason: string };

/** One primary of a cluster; without an address, the one server there is. */
export interface Node extends Pick<Connection, "call"> {
  readonly address: string | undefined;
}

const PASSWORD_UNUSED = "a password was given, but the server asks for none";

/**
 * The one way to Redis. Commands go through a control client that never sends anything twice: a command
 * whose reply is lost rejects with a ConnectionError whose `sent` is true. Blocking reads and bulk
 * transfers have connections of their own (`reader()`, `pipeline()`), opened when asked for.
 */
export class Connection {
  readonly settings: ConnectionSettings;
  readonly cluster: boolean;
  /** The CLIENT SETNAME of all its connections. */
  readonly name: string;
  readonly #client: Client;
  readonly #listeners = new Set<(state: LinkState) => void>();
  readonly #extras = new Set<{ close(): void }>();
  #closed = false;
  #wasReady = false;

  private constructor(client: Client, settings: ConnectionSettings, options: OpenOptions) {
    this.settings = settings;
    this.cluster = settings.mode === "cluster";
    this.name = options.name;
    this.#client = client;
    this.#client.onPasswordUnused(once(() => options.onWarning?.(PASSWORD_UNUSED)));
    this.#client.on("ready", () => {
      this.#wasReady = true;
      this.#tell({ up: true });
    });
    this.#client.on("close", () => {
      if (this.#wasReady && !this.#closed) this.#tell({ up: false, reason: this.#client.reason });
      this.#wasReady = false;
    });
  }

  /** Connects; fails with a ConnectionError (exit 3) when that can't be done within connectTimeoutMs. */
  static async open(settings: ConnectionSettings, options: OpenOptions): Promise<Connection> {
    const client = await createClient(settings, options.name);
    const connection = new Connection(client, settings, options);
    try {
      await connection.#client.connectOnce(options.signal);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  get target(): string {
    return describeTarget(this.settings);
  }

  get ready(): boolean {
    return this.#client.ready;
  }

  /**
   * True while what is sent to the server at the other end of `peer` would be lost: Sentinel's failover is
   * under way, or it was the master before. Commands are refused then; whoever has a pipeline lets its
   * replies come and opens another.
   */
  failingOver(peer: string | undefined): boolean {
    return this.#client.failover?.forbids(peer) ?? false;
  }

  /** When a command that takes long was last seen to make progress, by performance.now(). */
  get movedAt(): number {
    return this.#client.movedAt;
  }

  /** Tells when the link goes down and when it is back; returns the way to stop listening. */
  onState(listener: (state: LinkState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Sends one command, once; calls made in one turn of the event loop leave in one write. Rejects with
   * ServerError for an error reply and with ConnectionError when the link is down (`sent` false) or died
   * before the reply came (`sent` true).
   */
  async call(command: string, ...args: Arg[]): Promise<Value> {
    const context = { command, key: keyOf(command, args) };
    try {
      return await this.#client.call(command, args, this.settings.commandTimeoutMs);
    } catch (error) {
      throw translateThrown(error, context);
    }
  }

  /**
   * The primaries of a cluster, or the one server: for commands without a key, such as SCAN. Rejects when
   * one of them can't be reached: what it holds would be missing without a word.
   */
  async primaries(): Promise<Node[]> {
    // ioredis forgets a node whose connection is lost, and knows no new one, until the table is read again.
    await this.#client.refreshSlots();
    return this.#client.primaries().map((node) => ({
      address: node.address,
      call: async (command, ...args) => {
        try {
          return await node.call(command, args, this.settings.commandTimeoutMs);
        } catch (error) {
          throw translateThrown(error, { command, node: node.address });
        }
      },
    }));
  }

  /**
   * True when this is no connection to a cluster, and yet to one of its nodes. Who may not ask is told false.
   */
  async isOneNode(): Promise<boolean> {
    if (this.cluster) return false;
    try {
      return /^cluster_enabled:1/m.test(asText(await this.call("INFO", "cluster")));
    } catch (error) {
      if (error instanceof ServerError) return false;
      throw error;
    }
  }

  /**
   * Runs a script by its hash, loading it where the server does not know it. One attempt, as `call`. What is much
   * larger than a script goes with its text: else a server that does not know it would be sent all of it twice.
   */
  async run(script: Script, keys: readonly string[], args: readonly Arg[]): Promise<Value> {
    const tail = [keys.length, ...keys, ...args];
    const context = { command: script.name, key: keys[0] };
    try {
      if (!args.some(isLarge))
        return await this.#client.call("EVALSHA", [script.sha, ...tail], this.settings.commandTimeoutMs);
    } catch (error) {
      if (!errorText(error).startsWith("NOSCRIPT")) throw translateThrown(error, context);
    }
    try {
      return await this.#client.call("EVAL", [script.lua, ...tail], this.settings.commandTimeoutMs);
    } catch (error) {
      throw translateThrown(error, context);
    }
  }

  /**
   * Repeats an operation that may safely run twice until it succeeds, fails for good, the signal aborts
   * or `budgetMs` (default: connectTimeoutMs) has passed.
   */
  async persist<T>(
    operation: () => Promise<T>,
    options: { signal?: AbortSignal | undefined; budgetMs?: number | undefined } = {},
  ): Promise<T> {
    const deadline = performance.now() + (options.budgetMs ?? this.settings.connectTimeoutMs);
    for (let attempt = 0; ; attempt++) {
      try {
        return await operation();
      } catch (error) {
        if (this.#closed || options.signal?.aborted || !isTransient(error) || performance.now() >= deadline)
          throw error;
        await sleep(reconnectDelayMs(attempt), options.signal);
        if (options.signal?.aborted) throw error;
      }
    }
  }

  /** A connection of its own for blocking reads. */
  async reader(): Promise<BlockingReader> {
    return this.#track(await BlockingReader.open(this.#client, this.settings, this.name));
  }

  /** A connection of its own for bulk transfers on one key, to the node that holds it. */
  async pipeline(key: string, options: { readonly text?: boolean } = {}): Promise<Pipeline> {
    // A pipeline is opened anew when its node answers MOVED, which the control connection knows nothing of.
    await this.#client.refreshSlots();
    const { client, address } = clientForKey(this.#client, this.settings, this.name, key);
    return this.#track(await Pipeline.open(client, this.settings.commandTimeoutMs, address, options));
  }

  /** The `host:port` of the cluster's node that holds `key` now; "" outside a cluster. */
  async nodeOf(key: string): Promise<string> {
    await this.#client.refreshSlots();
    return ownerAddress(this.#client, key) ?? "";
  }

  /** Ends the wait of another connection of this run: see Client.unblock. Failing is no error. */
  async unblock(id: number, at: Waiting): Promise<void> {
    await this.#client.unblock(id, at, this.settings.commandTimeoutMs).catch(() => {});
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const extra of this.#extras) extra.close();
    this.#extras.clear();
    this.#client.close();
    this.#listeners.clear();
  }

  #track<T extends { close(): void; onClosed?: (callback: () => void) => void }>(extra: T): T {
    if (this.#closed) {
      extra.close();
      throw new ConnectionError("the connection is closed");
    }
    this.#extras.add(extra);
    extra.onClosed?.(() => this.#extras.delete(extra));
    return extra;
  }

  #tell(state: LinkState): void {
    for (const listener of this.#listeners) listener(state);
  }
}

function once(callback: () => void): () => void {
  let done = false;
  return () => {
    if (!done) callback();
    done = true;
  };
}
