import type { ClientRequest, IncomingMessage } from "node:http";
import { errorText } from "../../errors.ts";
import { startTimeLimit } from "../../lib/timer.ts";
import { entryVariables } from "./environment.ts";
import { type BatchRule, type Handler, type Job, MAX_PRINTED, type Notice } from "./handler.ts";
import { isSuccess, type Outcome } from "./outcome.ts";
import { noField, type Payload, piecesOf, stdinFor } from "./payload.ts";
import type { HttpClient, PostSettings } from "./post.ts";
import { retryAfterMs } from "./retry-after.ts";
import { printedTooMuch, STDERR_TAIL } from "./run.ts";
import { TraceContext } from "./trace.ts";

const ONE: BatchRule = { size: 1, waitMs: 0 };

/** Of an answer that nobody asked for no more is read; its connection goes, too. */
const MOST_DRAINED = 1024 * 1024;

/** A POST for each entry, over connections that are kept. The answer's status settles the entry. */
export class PostHandler implements Handler {
  readonly batch = ONE;
  readonly slots: number;
  readonly #settings: PostSettings;
  readonly #client: HttpClient;
  readonly #trace: TraceContext;
  readonly #exchanges = new Set<Exchange>();

  constructor(settings: PostSettings, client: HttpClient, notice: Notice) {
    this.slots = settings.concurrency;
    this.#settings = settings;
    this.#client = client;
    this.#trace = new TraceContext(notice);
  }

  run(jobs: readonly Job[]): Promise<Outcome[]> {
    return Promise.all(jobs.map((job) => this.#runOne(job)));
  }

  async killAll(): Promise<void> {
    for (const exchange of this.#exchanges) exchange.end({ kind: "stopped" });
  }

  async close(): Promise<void> {
    this.#client.agent.destroy();
  }

  async #runOne(job: Job): Promise<Outcome> {
    const { stdin, consumer } = this.#settings;
    const body = stdinFor(job, stdin, consumer);
    if (!body) return noField(stdin);
    const headers = this.#headers(job, body);
    return (await this.#exchange(headers, body)) ?? (await this.#exchange(headers, body)) ?? NO_CONNECTION;
  }

  /** Undefined: a kept connection had been closed by the server before it took anything of it. */
  async #exchange(headers: HeaderMap, body: Payload): Promise<Outcome | undefined> {
    const exchange = new Exchange(this.#client, this.#settings, headers);
    this.#exchanges.add(exchange);
    try {
      return await exchange.run(body);
    } finally {
      this.#exchanges.delete(exchange);
    }
  }

  /** What a command would find in its environment; what the settings say wins. */
  #headers(job: Job, body: Payload): HeaderMap {
    const { target, stdin } = this.#settings;
    const headers: HeaderMap = {};
    for (const [name, value] of Object.entries(entryVariables(job, { ...this.#settings, envFields: false })))
      headers[headerName(name)] = headerText(value);
    for (const [name, value] of Object.entries(this.#trace.variables(job.entry) ?? {}))
      headers[name.toLowerCase()] = Buffer.from(value).toString("latin1");
    if (stdin.kind !== "none")
      headers["Content-Type"] = stdin.kind === "field" ? "application/octet-stream" : "application/json";
    if (Buffer.isBuffer(body)) headers["Content-Length"] = String(body.length);
    for (const [name, value] of target.headers) setHeader(headers, name, value);
    return headers;
  }
}

type HeaderMap = Record<string, string>;

/** One request and its answer. The first reason to end it wins. */
class Exchange {
  readonly #settings: PostSettings;
  readonly #request: ClientRequest;
  readonly #done: Promise<Outcome | undefined>;
  #resolve: (outcome: Outcome | undefined) => void = () => {};
  #settled = false;
  #answer: IncomingMessage | undefined;
  /** As much of the answer's body as is kept. */
  #kept: Buffer[] = [];
  #keptLength = 0;
  #bodyLength = 0;

  constructor(client: HttpClient, settings: PostSettings, headers: HeaderMap) {
    this.#settings = settings;
    this.#done = new Promise((resolve) => (this.#resolve = resolve));
    this.#request = client.request(settings.target.url, { method: "POST", agent: client.agent, headers });
    this.#request.on("response", (answer) => this.#answered(answer));
    this.#request.on("error", (error) => this.#failed(error));
    this.#request.on("close", () => this.#failed(new Error("the connection was closed without an answer")));
  }

  async run(body: Payload): Promise<Outcome | undefined> {
    const { timeoutMs } = this.#settings;
    const onTimeout = (): void => this.end({ kind: "timeout", afterMs: timeoutMs ?? 0, stderr: this.#start });
    const limit = timeoutMs === undefined ? undefined : startTimeLimit(timeoutMs, onTimeout);
    try {
      await this.#send(body);
      return await this.#done;
    } finally {
      limit?.stop();
    }
  }

  /** Gives it up with that outcome, if it has none. */
  end(outcome: Outcome | undefined): void {
    if (this.#settled) return;
    this.#settle(outcome);
    this.#request.destroy();
  }

  #settle(outcome: Outcome | undefined): void {
    this.#settled = true;
    this.#resolve(outcome);
  }

  async #send(body: Payload): Promise<void> {
    const request = this.#request;
    if (Buffer.isBuffer(body)) {
      request.end(body);
      return;
    }
    for (const piece of piecesOf(body)) {
      // A server that has answered, or is gone, takes no more.
      if (request.destroyed || this.#answer) break;
      if (!request.write(piece)) await Promise.race([drained(request), this.#done]);
    }
    if (!request.destroyed) request.end();
  }

  #answered(answer: IncomingMessage): void {
    this.#answer = answer;
    answer.on("data", (piece: Buffer) => {
      this.#bodyLength += piece.length;
      const kept = piece.subarray(0, Math.max(0, this.#most - this.#keptLength));
      this.#keptLength += kept.length;
      if (kept.length > 0) this.#kept.push(kept);
      if (this.#bodyLength > Math.max(this.#most, MOST_DRAINED)) this.#over();
    });
    answer.on("end", () => this.#over());
    answer.on("error", (error) => this.#failed(error));
  }

  /** The answer is here, or as much of it as is wanted. */
  #over(): void {
    const answer = this.#answer;
    if (this.#settled || !answer) return;
    const { statusCode: status = 0, headers } = answer;
    const response = { kind: "response", status, stderr: this.#start } as const;
    if (!isSuccess(status)) {
      const { location } = headers;
      this.#settle({ ...response, retryAfterMs: retryAfterMs(headers), location });
    } else if (!this.#wants) this.#settle(response);
    else if (this.#bodyLength > MAX_PRINTED) this.#settle(printedTooMuch("more", response.stderr));
    else this.#settle({ ...response, stdout: Buffer.concat(this.#kept) });
    // Its connection can serve another request only when both have come to their ends.
    if (!answer.complete || !this.#request.writableFinished) this.#request.destroy();
  }

  #failed(error: Error): void {
    const { code } = error as NodeJS.ErrnoException;
    const stale = this.#request.reusedSocket && !this.#answer && STALE.has(code ?? "");
    const what = this.#answer ? `the answer was cut off: ${errorText(error)}` : errorText(error);
    this.end(
      stale ? undefined : { kind: "unanswered", reason: what || String(code), deployment: isTrust(code) },
    );
  }

  /** Whether the answer's body is output. */
  get #wants(): boolean {
    return this.#settings.captureStdout && isSuccess(this.#answer?.statusCode ?? 0);
  }

  /** How many bytes of the answer are kept. */
  get #most(): number {
    return this.#wants ? MAX_PRINTED : STDERR_TAIL;
  }

  /** The start of the answer's body. */
  get #start(): Buffer {
    return this.#wants ? Buffer.alloc(0) : Buffer.concat(this.#kept);
  }
}

/** Resolves when it takes more, or is over. */
function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      request.off("drain", done).off("close", done);
      resolve();
    };
    request.on("drain", done).on("close", done);
  });
}

/** How a server's end of a kept connection shows when the next request crosses it. */
const STALE: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

const NO_CONNECTION: Outcome = {
  kind: "unanswered",
  reason: "kept connections are closed whenever they are used",
  deployment: false,
};

/** The certificate is not trusted, or is of another host: the deployment's affair, and no entry's. */
function isTrust(code: string | undefined): boolean {
  return code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|ERR_SSL_|^EPROTO$/.test(code);
}

/** `Streamctl-Id` for STREAMCTL_ID. */
function headerName(variable: string): string {
  return variable
    .split("_")
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join("-");
}

/** Names of streams and consumers may hold what a header may not: it is percent-encoded, and so is % itself. */
function headerText(text: string): string {
  return text.replace(/[^ -$&-~]+/g, (part) =>
    [...Buffer.from(part)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}

/** Names of headers are the same in any case. */
function setHeader(headers: HeaderMap, name: string, value: string): void {
  const known = Object.keys(headers).find((other) => other.toLowerCase() === name.toLowerCase());
  if (known !== undefined) delete headers[known];
  headers[name] = value;
}
