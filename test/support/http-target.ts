import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** A request as it came. */
export interface Received {
  readonly id: string;
  readonly url: string;
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export type Answerer = (request: Received, response: ServerResponse) => void;

/** An HTTP server that keeps what it got, and answers as it is told. It closes with the test that started it. */
export class HttpTarget {
  readonly received: Received[] = [];
  /** How many connections were made to it. */
  connections = 0;
  readonly #server: Server;
  readonly #scheme: string;

  private constructor(server: Server, scheme: string) {
    this.#server = server;
    this.#scheme = scheme;
    server.on(scheme === "https" ? "secureConnection" : "connection", () => this.connections++);
  }

  static async start(
    answer: Answerer,
    tls?: { readonly cert: string; readonly key: string },
  ): Promise<HttpTarget> {
    const listener: RequestListener = (request, response) => {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        const { url = "", method = "", headers } = request;
        const body = Buffer.concat(pieces);
        const received = { id: String(headers["streamctl-id"]), url, method, headers, body };
        target.received.push(received);
        answer(received, response);
      });
    };
    const server = tls ? createTlsServer(tls, listener) : createServer(listener);
    const target = new HttpTarget(server, tls ? "https" : "http");
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => target.close());
    return target;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The IDs of the entries in the order in which they came, each as often as it did. */
  get ids(): string[] {
    return this.received.map(({ id }) => id);
  }

  /** Ends connections that wait for a request, as a server does after its keep-alive time. */
  closeIdle(): void {
    this.#server.closeIdleConnections();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
