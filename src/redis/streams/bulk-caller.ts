import type { Connection } from "../connection.ts";
import { isTransient, translateReply } from "../errors.ts";
import type { Lane } from "../lane.ts";
import { type Reply, ReplyError } from "../resp.ts";
import type { Arg, Value } from "../value.ts";

/** What a read needs: a way to send a command, and to repeat it when the connection fails. */
export type Caller = Pick<Connection, "call" | "persist">;

interface Waiting {
  readonly command: string;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Runs many small reads through a lane: several times as fast as the control client, which keeps a timer
 * and a promise chain for each. Commands given in one turn of the event loop leave in one write. When the
 * lane dies, the connection itself takes over. For one node only: in a cluster keys lie on many.
 */
export class BulkCaller implements Caller {
  readonly #connection: Connection;
  readonly #lane: Lane;
  #text = "";
  #waiting: Waiting[] = [];

  private constructor(connection: Connection, lane: Lane) {
    this.#connection = connection;
    this.#lane = lane;
  }

  /** `close()` it when done. */
  static async open(connection: Connection): Promise<BulkCaller> {
    return new BulkCaller(connection, await connection.lane(""));
  }

  call(command: string, ...args: Arg[]): Promise<Value> {
    if (!this.#lane.alive || args.some((arg) => typeof arg === "object"))
      return this.#connection.call(command, ...args);
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) queueMicrotask(() => this.#send());
      this.#text += `*${args.length + 1}\r\n${bulk(command)}`;
      for (const arg of args) this.#text += bulk(String(arg));
      this.#waiting.push({ command, resolve, reject });
    });
  }

  /** As Connection.persist; with thousands of reads the first attempt has to be cheap. */
  persist<T>(operation: () => Promise<T>, options?: Parameters<Connection["persist"]>[1]): Promise<T> {
    return operation().catch((error: unknown) => {
      if (!isTransient(error)) throw error;
      return this.#connection.persist(operation, options);
    });
  }

  close(): void {
    this.#lane.close();
  }

  #send(): void {
    const bytes = Buffer.from(this.#text);
    const waiting = this.#waiting;
    this.#text = "";
    this.#waiting = [];
    let answered = 0;
    const onReply = (reply: Reply): void => {
      const { command, resolve, reject } = waiting[answered++] as Waiting;
      if (reply instanceof ReplyError) reject(translateReply(reply.text, { command }));
      // Reads of streams answer with no simple strings, the only other way in which the two differ.
      else resolve(reply as Value);
    };
    this.#lane.send(bytes, waiting.length, onReply, (error) => {
      for (const { reject } of waiting.slice(answered)) reject(error);
    });
  }
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}
