import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { errorText, StreamctlError, UsageError } from "../errors.ts";
import type { MetricSet } from "./metric-set.ts";

/** What the endpoint answers with. */
export interface Site {
  readonly metrics: Pick<MetricSet, "text" | "contentType">;
  /** Why the program should be restarted; undefined as long as it makes progress. */
  stuck(): string | undefined;
  /** Why the program does no work now; undefined when it does. */
  notReady(): string | undefined;
}

export interface Endpoint {
  /** `http://host:port` */
  readonly url: string;
  close(): void;
}

/** Scrapers and probes are few: with more connections than this, the longest idle one makes room. */
const MAX_CONNECTIONS = 64;
/** A request comes whole within this time, or its connection goes. */
const REQUEST_MS = 5_000;
/** So does a connection over which nothing moves, within a request or between two. */
const IDLE_MS = 10_000;
/** How often Node looks for requests that are late. */
const CHECK_MS = 1_000;

/**
 * Serves /metrics, /healthz and /readyz. Rejects when it can't listen there: exit 1 for a port that is in
 * use, 2 for an address that is none of this machine's. Port 0 is any free one.
 */
export async function serveMetrics(at: { host: string; port: number }, site: Site): Promise<Endpoint> {
  const busy = new Set<Socket>();
  const limits = {
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: CHECK_MS,
  };
  const server = createServer(limits, (request, response) => {
    busy.add(request.socket);
    response.on("close", () => busy.delete(request.socket));
    answer(site, request, response).catch((error: unknown) => reply(response, 500, errorText(error)));
  });
  server.timeout = IDLE_MS;
  keepRoom(server, busy);
  await listen(server, at);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : at.port;
  const host = at.host.includes(":") ? `[${at.host}]` : at.host;
  return {
    url: `http://${host}:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * Nobody is refused: a probe that finds no room would have a healthy program restarted. Room is made by the oldest
 * connection that is not being answered, or else by the oldest, whose reader is slow: an answer takes milliseconds.
 */
function keepRoom(server: Server, busy: ReadonlySet<Socket>): void {
  const open = new Set<Socket>();
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    if (open.size <= MAX_CONNECTIONS) return;
    const [oldest] = open;
    ([...open].find((one) => !busy.has(one) && one !== socket) ?? oldest)?.destroy();
  });
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(error, host, port)));
    server.listen({ host, port, exclusive: true }, resolve);
  });
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): StreamctlError {
  const cause = error;
  if (error.code === "EADDRINUSE") {
    const hint = "choose another port, or end the program that listens there";
    return new StreamctlError("failed", `--metrics-port ${port} is in use on ${host}`, { hint, cause });
  }
  if (error.code === "EACCES") {
    const hint = "choose a port above 1023";
    return new StreamctlError("failed", `--metrics-port ${port}: this user may not listen there`, {
      hint,
      cause,
    });
  }
  const hint = "give an address of this machine, 0.0.0.0 for all of them";
  return new UsageError(`--metrics-host ${host}: can't listen there (${error.code ?? error.message})`, {
    hint,
    cause,
  });
}

async function answer(site: Site, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return reply(response, 405, "only GET");
  }
  const [path = "/"] = (request.url ?? "/").split("?");
  switch (path) {
    case "/metrics": {
      const text = await site.metrics.text();
      response.writeHead(200, { "content-type": site.metrics.contentType }).end(text);
      return;
    }
    case "/healthz":
      return probe(response, site.stuck());
    case "/readyz":
      return probe(response, site.notReady());
    default:
      return reply(response, 404, "here are /metrics, /healthz and /readyz");
  }
}

function probe(response: ServerResponse, failure: string | undefined): void {
  reply(response, failure === undefined ? 200 : 503, failure ?? "ok");
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}
