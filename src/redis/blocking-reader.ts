import { ConnectionError } from "../errors.ts";
import type { Client } from "./client.ts";
import { errorCode, translateThrown } from "./errors.ts";
import { clientForKey, createClient, ownerAddress } from "./make-client.ts";
import type { ConnectionSettings } from "./settings.ts";
import { asNumber, type Arg, type Value } from "./value.ts";

/** With nothing coming for so much longer than its BLOCK, a reader's peer counts as dead. */
const GRACE_MS = 3_000;

/** One connection of a reader: outside a cluster the only one, in a cluster one per node read from. */
interface Link {
  readonly client: Client;
  /** The node's `host:port`; undefined outside a cluster. */
  readonly address: string | undefined;
  /** CLIENT ID of the socket of the moment; -1 where this user may not ask. */
  id: number | undefined;
}

/**
 * Connections of their own for blocking reads. A read during which nothing comes for its BLOCK and GRACE_MS is over:
 * the socket is dropped, the read rejects, and the next one finds a new connection. In a cluster a
 * read goes to the node that holds its first stream; MOVED and lost nodes are for the caller to repeat.
 */
export class BlockingReader {
  readonly #control: Client;
  readonly #settings: ConnectionSettings;
  readonly #name: string;
  readonly #links = new Map<string, Link>();
  #blocked: Link | undefined;
  #closed = false;

  private constructor(control: Client, settings: ConnectionSettings, name: string) {
    this.#control = control;
    this.#settings = settings;
    this.#name = name;
  }

  /** `control`: the connection that knows a cluster's slots, and that wakes this reader. */
  static async open(control: Client, settings: ConnectionSettings, name: string): Promise<BlockingReader> {
    const reader = new BlockingReader(control, settings, name);
    if (settings.mode !== "cluster")
      await reader.#open(await createClient(settings, name, control), undefined);
    return reader;
  }

  /** Sends one blocking command; `blockMs` is the BLOCK that its arguments carry. */
  async call(command: string, args: readonly Arg[], blockMs: number): Promise<Value> {
    try {
      const link = await this.#linkFor(command, args);
      return await this.#read(link, command, args, blockMs + GRACE_MS);
    } catch (error) {
      throw translateThrown(error, { command });
    } finally {
      this.#blocked = undefined;
    }
  }

  /**
   * Ends a read that waits, as if its BLOCK had passed: nothing delivered is lost. Where the user may not
   * (CLIENT ID, CLIENT UNBLOCK) it ends by itself within its BLOCK.
   */
  async wake(): Promise<void> {
    const link = this.#blocked;
    if (link?.id === undefined || link.id < 0) return;
    await this.#control
      .unblock(link.id, { node: link.address, peer: link.client.peer }, GRACE_MS)
      .catch(() => {});
  }

  /** The server's number for the connection that reads now: what CLIENT UNBLOCK takes, if it is known. */
  get clientId(): number | undefined {
    const id = this.#blocked?.id;
    return id !== undefined && id >= 0 ? id : undefined;
  }

  /** When a read that takes long was last seen to make progress, by performance.now(). */
  get movedAt(): number {
    return Math.max(...[...this.#links.values()].map(({ client }) => client.movedAt));
  }

  close(): void {
    this.#closed = true;
    for (const link of this.#links.values()) link.client.close();
    this.#links.clear();
  }

  async #read(link: Link, command: string, args: readonly Arg[], timeoutMs: number): Promise<Value> {
    try {
      // The ID lets another connection wake this one; a user without the right waits for the block to end.
      link.id ??= asNumber(await link.client.call("CLIENT", ["ID"], GRACE_MS).catch(refusedId));
      this.#blocked = link;
      return await link.client.call(command, args, timeoutMs);
    } catch (error) {
      if (link.address !== undefined) this.#dropWhenStale(link, error);
      throw error;
    }
  }

  async #linkFor(command: string, args: readonly Arg[]): Promise<Link> {
    if (this.#closed) throw new ConnectionError("the reader is closed");
    if (this.#settings.mode !== "cluster") return this.#links.get("") as Link;
    const key = firstStream(command, args);
    const known = this.#links.get(ownerAddress(this.#control, key) ?? "");
    if (known) return known;
    const { client, address } = clientForKey(this.#control, this.#settings, this.#name, key);
    return this.#open(client, address);
  }

  async #open(client: Client, address: string | undefined): Promise<Link> {
    const link: Link = { client, address, id: undefined };
    client.on("close", () => {
      link.id = undefined;
    });
    try {
      await client.connectOnce();
    } catch (error) {
      client.close();
      void this.#control.refreshSlots();
      throw error;
    }
    if (this.#closed) {
      client.close();
      throw new ConnectionError("the reader is closed");
    }
    this.#links.set(address ?? "", link);
    return link;
  }

  /** A node that has gone, or that no longer holds the slot: the next read asks where the slot is. */
  #dropWhenStale(link: Link, error: unknown): void {
    const gone = !(error instanceof Error) || error.name !== "ReplyError";
    const moved = !gone && ["MOVED", "CLUSTERDOWN"].includes(errorCode(error.message));
    if (!gone && !moved) return;
    if (gone) {
      this.#links.delete(link.address ?? "");
      link.client.close();
    }
    void this.#control.refreshSlots();
  }
}

/** The first key of XREAD or XREADGROUP, whose group and consumer may have any name. */
function firstStream(command: string, args: readonly Arg[]): string {
  const at = args.indexOf("STREAMS", command === "XREADGROUP" ? 3 : 0);
  const key = args[at + 1];
  if (at < 0 || key === undefined) throw new TypeError("a blocking read names its streams after STREAMS");
  return String(key);
}

function refusedId(error: unknown): number {
  if (error instanceof ConnectionError) throw error;
  if (!(error instanceof Error) || error.name !== "ReplyError") throw error;
  return -1;
}
