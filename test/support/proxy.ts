import { connect, createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { serverUrl } from "./server-url.ts";

type Mode = "pass" | "swallow-replies" | "swallow-both";

/**
 * A TCP proxy in front of a Redis that makes real network faults on command. It closes with the test
 * that started it.
 */
export class Proxy {
  readonly #server: Server;
  readonly #target: { host: string; port: number };
  readonly #pairs = new Set<Socket>();
  #mode: Mode = "pass";
  #delayMs = 0;
  #bytesPerMs = Infinity;
  #refusing = false;
  #holding = false;
  /** Hears what clients send, chunk by chunk, also what is lost on the way. */
  onRequest: (bytes: Buffer) => void = () => {};
  #cutAfterRequest: ((bytes: Buffer) => boolean) | undefined;
  #holdAfterRequest: ((bytes: Buffer) => boolean) | undefined;
  /** How many connections have been made through the proxy so far. */
  accepted = 0;
  /** How many it has turned away (`refuse`). */
  refused = 0;
  /** How many chunks from clients were lost on the way (`swallowBoth`). */
  swallowed = 0;
  /** How often a client went on sending after a reply: its round trips, and what overlaps of long ones. */
  turns = 0;
  port = 0;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#server = createServer((client) => this.#join(client));
  }

  /** `url`: the server behind it, default the shared test server. `listenPort`: default any free one. */
  static async start(url: string = serverUrl(), listenPort = 0): Promise<Proxy> {
    const { hostname, port } = new URL(url);
    const proxy = new Proxy({ host: hostname, port: Number(port) });
    await proxy.#listen(listenPort);
    onTestFinished(() => proxy.close());
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Connections open right now. */
  get open(): number {
    return this.#pairs.size / 2;
  }

  /** Resets every connection, as a crashed peer or a firewall does; new ones are welcome. */
  cut(): void {
    for (const socket of this.#pairs) socket.resetAndDestroy();
  }

  /** Cuts every connection and refuses new ones until `accept()`. */
  refuse(): void {
    this.#refusing = true;
    this.cut();
  }

  accept(): void {
    this.#refusing = false;
  }

  /** Requests reach the server, replies vanish: the sender can't know what happened. */
  swallowReplies(): void {
    this.#mode = "swallow-replies";
  }

  /** Nothing gets through either way while the connections stay open: a dead peer. New ones hang, too. */
  swallowBoth(): void {
    this.#mode = "swallow-both";
  }

  /** Bytes flow again, on connections old and new. What was swallowed stays lost. */
  pass(): void {
    this.#mode = "pass";
  }

  /** Bytes wait in both directions and in new connections, as on a stalled link, until `release()`; none is lost. */
  hold(): void {
    this.#holding = true;
    for (const socket of this.#pairs) socket.pause();
  }

  release(): void {
    this.#holding = false;
    for (const socket of this.#pairs) socket.resume();
  }

  /** Holds every chunk of both directions back for that long. */
  delay(milliseconds: number): void {
    this.#delayMs = milliseconds;
  }

  /** Lets through so many bytes a second and direction of each connection, in chunks: a slow line. */
  throttle(bytesPerSecond: number): void {
    this.#bytesPerMs = bytesPerSecond / 1_000;
  }

  /**
   * The next request chunk that contains `text` is passed on, then its connection loses the reply and is
   * cut: the write happened, its outcome is unknown. Works once; resolves when it has struck.
   */
  loseReplyTo(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#cutAfterRequest = (bytes) => {
        if (!bytes.includes(text)) return false;
        this.#cutAfterRequest = undefined;
        resolve();
        return true;
      };
    });
  }

  /**
   * The next request chunk that contains `text` is passed on, and then everything is held, its reply too: to the
   * client as if it had stood still at that moment. Works once; resolves when it has struck.
   */
  holdReplyTo(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#holdAfterRequest = (bytes) => {
        if (!bytes.includes(text)) return false;
        this.#holdAfterRequest = undefined;
        resolve();
        return true;
      };
    });
  }

  /**
   * Lets what clients send through one chunk at a time, and asks after each whether it has `begun`. Then everything is
   * held, the reply to that chunk, too: a client that waits for its replies can't have come to its end.
   */
  async holdWhen(begun: () => Promise<boolean>): Promise<void> {
    do {
      const sent = this.holdReplyTo("");
      this.release();
      await sent;
    } while (!(await begun()));
  }

  async close(): Promise<void> {
    for (const socket of this.#pairs) socket.destroy();
    if (!this.#server.listening) return;
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy has no port");
    this.port = address.port;
  }

  #join(client: Socket): void {
    if (this.#refusing) {
      this.refused++;
      client.resetAndDestroy();
      return;
    }
    this.accepted++;
    const server = connect(this.#target);
    let lost = false;
    let answered = true;
    this.#pairs.add(client).add(server);
    const end = (): void => {
      this.#pairs.delete(client);
      this.#pairs.delete(server);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
    }
    client.on("data", (bytes: Buffer) => {
      this.onRequest(bytes);
      if (this.#mode === "swallow-both") {
        this.swallowed++;
        return;
      }
      if (answered) this.turns++;
      answered = false;
      if (this.#cutAfterRequest?.(bytes)) lost = true;
      this.#forward(client, server, bytes);
      if (this.#holdAfterRequest?.(bytes)) this.hold();
    });
    server.on("data", (bytes: Buffer) => {
      answered = true;
      if (lost) client.resetAndDestroy();
      else if (this.#mode === "pass") this.#forward(server, client, bytes);
    });
    if (this.#holding) for (const socket of [client, server]) socket.pause();
  }

  #forward(from: Socket, to: Socket, bytes: Buffer): void {
    const write = (): void => {
      if (to.writable) to.write(bytes);
    };
    if (this.#bytesPerMs !== Infinity) {
      from.pause();
      setTimeout(() => {
        write();
        if (!this.#holding) from.resume();
      }, bytes.length / this.#bytesPerMs);
    } else if (this.#delayMs === 0) write();
    else setTimeout(write, this.#delayMs);
  }
}
