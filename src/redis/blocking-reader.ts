import { ConnectionError } from "../errors.ts";
import { createClient, type Client } from "./client.ts";
import { translateThrown } from "./errors.ts";
import type { ConnectionSettings } from "./settings.ts";
import { asNumber, type Arg, type Value } from "./value.ts";

/** How much later than its BLOCK a reply may come before the peer counts as dead. */
const GRACE_MS = 3_000;

/**
 * A connection for blocking reads. A read never outlives its BLOCK by more than GRACE_MS: then the
 * socket is dropped, the read rejects, and the client reconnects.
 */
export class BlockingReader {
  readonly #client: Client;
  #clientId: number | undefined;

  private constructor(client: Client) {
    this.#client = client;
    client.on("close", () => {
      this.#clientId = undefined;
    });
  }

  static async open(settings: ConnectionSettings, name: string): Promise<BlockingReader> {
    const client = createClient(settings, name);
    try {
      await client.connectOnce();
      return new BlockingReader(client);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Sends one blocking command; `blockMs` is the BLOCK that its arguments carry. */
  async call(command: string, args: readonly Arg[], blockMs: number): Promise<Value> {
    try {
      // The ID lets another connection wake this one; a user without the right waits for the block to end.
      this.#clientId ??= asNumber(await this.#client.call("CLIENT", ["ID"], GRACE_MS).catch(refusedId));
      return await this.#client.call(command, args, blockMs + GRACE_MS);
    } catch (error) {
      throw translateThrown(error, { command });
    }
  }

  /** The server's number for this connection: what CLIENT UNBLOCK takes. Undefined when not known. */
  get clientId(): number | undefined {
    return this.#clientId !== undefined && this.#clientId >= 0 ? this.#clientId : undefined;
  }

  get ready(): boolean {
    return this.#client.ready;
  }

  close(): void {
    this.#client.close();
  }
}

function refusedId(error: unknown): number {
  if (error instanceof ConnectionError) throw error;
  return -1;
}
