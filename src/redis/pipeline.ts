import type { Socket } from "node:net";
import { ConnectionError, errorText } from "../errors.ts";
import type { Client } from "./client.ts";
import { outsideCluster } from "./errors.ts";
import { encodeCommand, type Reply, ReplyError, RespParser } from "./resp.ts";
import { SilenceWatch } from "./silence.ts";

/** Called once per reply, in the order of the commands. */
type OnReply = (reply: Reply) => void;

interface Expected {
  readonly onReply: OnReply;
  readonly onLost: (error: ConnectionError) => void;
  remaining: number;
}

/** A reply was larger than the pipeline was to take. Its command has been carried out. */
export class ReplyTooLarge extends ConnectionError {
  constructor(bytes: number) {
    super(`a reply of more than ${bytes} bytes`, { sent: true });
    this.name = "ReplyTooLarge";
  }
}

/**
 * A connection for bulk transfers. ioredis makes it (TLS, AUTH, SELECT, Sentinel); once it is ready the
 * pipeline reads and writes its socket itself: RESP bytes in, parsed replies out, no object per command.
 * It never reconnects and never repeats: when the socket dies, every command without a reply is told so.
 * Depends on one internal of ioredis, `redis.stream`, and a test pins it.
 */
export class Pipeline {
  /** The `host:port` of the cluster's node at the other end; "" outside a cluster. */
  readonly node: string;
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #silenceMs: number;
  /** Places before #head have been answered and are empty: a callback may keep a large reply alive. */
  readonly #queue: (Expected | undefined)[] = [];
  #head = 0;
  #pending = 0;
  /** The connection is dropped when a reply grows larger: see ReplyTooLarge. */
  maxReplyBytes = Infinity;
  /** What has come of the reply that is not whole yet. */
  #replyBytes = 0;
  #watch: SilenceWatch | undefined;
  #lost: ConnectionError | undefined;
  #onClosed: (() => void)[] = [];

  private constructor(client: Client, silenceMs: number, node: string, text: boolean) {
    this.node = node;
    this.#client = client;
    this.#silenceMs = silenceMs;
    this.#socket = (client.raw as unknown as { stream: Socket }).stream;
    const parser = new RespParser((reply) => this.#take(reply), { text });
    this.#socket.removeAllListeners("data");
    this.#socket.on("data", (chunk: Buffer) => {
      this.#replyBytes += chunk.length;
      try {
        parser.push(chunk);
        if (this.#replyBytes > this.maxReplyBytes) throw new ReplyTooLarge(this.maxReplyBytes);
      } catch (error) {
        this.#fail(error);
        this.#socket.destroy();
      }
    });
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(undefined));
    // A socket that died before anybody listened says so no more: commands would wait for the silence limit.
    if (this.#socket.destroyed) this.#fail(undefined);
  }

  /**
   * Connects `client`, which must not reconnect by itself, and takes over its socket. `silenceMs`: with
   * commands in flight and nothing moving for that long, the peer counts as dead. 0: never.
   */
  static async open(client: Client, silenceMs: number, node = "", { text = false } = {}): Promise<Pipeline> {
    try {
      await client.connectOnce();
      return new Pipeline(client, silenceMs, node, text);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** The server's end of the connection: see Client.unblock. */
  get peer(): string | undefined {
    return this.#client.peer;
  }

  /** Commands sent whose reply has not come. */
  get inFlight(): number {
    return this.#pending;
  }

  get alive(): boolean {
    return this.#lost === undefined;
  }

  /**
   * Sends `count` commands, already encoded. `onReply` is called for each of them, in order, unless the
   * connection dies first: then `onLost` is called once, and the commands still unanswered may or may not
   * have been carried out.
   */
  send(bytes: Buffer, count: number, onReply: OnReply, onLost: (error: ConnectionError) => void): void {
    if (this.#lost) return onLost(this.#lost);
    this.#queue.push({ onReply, onLost, remaining: count });
    this.#pending += count;
    if (this.#silenceMs > 0) {
      this.#watch ??= new SilenceWatch({
        sockets: () => [this.#socket],
        limitMs: this.#silenceMs,
        onSilent: () => this.#tooSilent(),
      });
    }
    this.#socket.write(bytes);
  }

  /** Sends one command and resolves with its reply. */
  request(bytes: Buffer): Promise<Reply> {
    return new Promise((resolve, reject) => this.send(bytes, 1, resolve, reject));
  }

  /**
   * The server's number for this connection: what Client.unblock takes; undefined where this user may not
   * ask.
   */
  async clientId(): Promise<number | undefined> {
    const id = await this.request(encodeCommand(["CLIENT", "ID"]));
    return typeof id === "number" ? id : undefined;
  }

  onClosed(callback: () => void): void {
    this.#onClosed.push(callback);
  }

  close(): void {
    this.#fail(undefined);
    this.#client.close();
    this.#socket.destroy();
  }

  #take(answer: Reply): void {
    const foreign = answer instanceof ReplyError && this.node === "";
    const reply = foreign ? new ReplyError(outsideCluster(answer.text)) : answer;
    this.#replyBytes = 0;
    const expected = this.#queue[this.#head];
    if (!expected) throw new Error("a reply that nothing asked for");
    this.#pending--;
    if (--expected.remaining === 0) {
      this.#queue[this.#head++] = undefined;
      if (this.#head > 1_000 || this.#head === this.#queue.length) {
        this.#queue.splice(0, this.#head);
        this.#head = 0;
      }
    }
    if (this.#pending === 0) {
      this.#watch?.stop();
      this.#watch = undefined;
    }
    expected.onReply(reply);
  }

  #tooSilent(): void {
    this.#fail(new Error(`no answer for ${this.#silenceMs} ms`));
    this.#socket.destroy();
  }

  #fail(cause: unknown): void {
    if (this.#lost) return;
    this.#watch?.stop();
    this.#watch = undefined;
    const why = cause === undefined ? "connection closed" : errorText(cause);
    this.#lost =
      cause instanceof ReplyTooLarge
        ? cause
        : new ConnectionError(`lost the connection: ${why}`, { cause, sent: true });
    const unanswered = this.#queue.splice(this.#head);
    this.#queue.length = 0;
    this.#head = 0;
    this.#pending = 0;
    for (const expected of unanswered) expected?.onLost(this.#lost);
    for (const callback of this.#onClosed) callback();
    this.#onClosed = [];
  }
}
