import type { StreamKey } from "../../entry/names.ts";
import type { BadLine } from "../../entry/sources/source.ts";
import { type ConnectionError, StreamctlError } from "../../errors.ts";
import type { LineRange, ProduceEvents } from "./request.ts";

/** What has become of the entries of one stream. */
interface StreamCounts {
  readonly stream: StreamKey;
  /** Entries that this run wrote. */
  written: number;
  /** Entries with an ID or a key of their own that stood there already. */
  present: number;
}

/** `unconfirmed`: written, but not on as many replicas as was asked for, as far as is known. */
type Open = "unwritten" | "unknown" | "unconfirmed";

export interface AccountOptions {
  readonly streams: readonly StreamKey[];
  /** So many lines are done with before the run. */
  readonly skipLines: number;
  readonly onBadLine: "stop" | "skip";
  readonly events: Pick<ProduceEvents, "onId" | "onRejected">;
}

/**
 * What became of each line, and why the run ends before its input does: failure and loss are known here
 * alone. Only lines that are neither in Redis nor rejected are kept one by one, and there are never more
 * of them than were in flight; everything else is a count.
 */
export class Account {
  readonly streams: readonly StreamCounts[];
  /** Entries known to be in Redis, over all streams. */
  inRedis = 0;
  rejected = 0;
  /** The last line that was read. */
  lastLine: number;
  readonly #options: AccountOptions;
  readonly #open = new Map<number, Open>();
  /** Lines that got in while an earlier one had not. */
  #later: number[] = [];
  /** Why no more is read; what was read is sent all the same. */
  #inputEnd: StreamctlError | undefined;
  /** Why nothing more is sent. */
  #failure: StreamctlError | undefined;
  /** The connection that died with entries in flight whose fate nobody can find out; nothing more is sent. */
  #lost: ConnectionError | undefined;
  /** The first and the last ID of entries that are unconfirmed. */
  #unconfirmedIds: [first: string, last: string] | undefined;

  constructor(options: AccountOptions) {
    this.#options = options;
    this.streams = options.streams.map((stream) => ({ stream, written: 0, present: 0 }));
    this.lastLine = options.skipLines;
  }

  /** Lines up to this one have been read. */
  read(line: number): void {
    if (line > this.lastLine) this.lastLine = line;
  }

  /** The entry of this line is in the stream of that index. `id` is only lent. */
  accept(stream: number, line: number, how: "written" | "present", id: Buffer): void {
    const counts = this.streams[stream] as StreamCounts;
    counts[how]++;
    this.inRedis++;
    if (this.#open.size > 0) this.#close(line, true);
    this.#options.events.onId?.(id, counts.stream);
  }

  /** The line is no entry, or can't get in, and is done with: unless one bad line is to end the run. */
  reject(bad: BadLine, raw: Uint8Array | undefined): void {
    this.read(bad.line);
    this.rejected++;
    if (this.#options.onBadLine === "stop" || bad.final) {
      this.keepOpen(bad.line, "unwritten");
      this.endInput(new StreamctlError("partial", bad.describe()));
    } else if (this.#open.size > 0) this.#close(bad.line, false);
    this.#options.events.onRejected?.(bad, raw);
  }

  /** The entry of this line is in Redis; too few replicas have confirmed it, so nothing more is sent. */
  unconfirmed(line: number, id: Buffer, error: ConnectionError): void {
    const text = id.latin1Slice();
    this.#unconfirmedIds = [this.#unconfirmedIds?.[0] ?? text, text];
    this.keepOpen(line, "unconfirmed");
    this.lose(error);
  }

  /** The line is not in Redis (yet), or nobody knows. */
  keepOpen(line: number, why: Open): void {
    this.#open.set(line, why);
  }

  /** No more is read. The first reason counts. What is no StreamctlError is a bug, and thrown. */
  endInput(error: unknown): void {
    this.#inputEnd ??= known(error);
  }

  /** Nothing more is sent. The first reason counts. What is no StreamctlError is a bug, and thrown. */
  fail(error: unknown): void {
    this.#failure ??= known(error);
  }

  /** Nothing more is sent: what was in flight on this connection may be in Redis, or not. */
  lose(error: ConnectionError): void {
    this.#lost ??= error;
  }

  /** Nothing more is sent. */
  get stopped(): boolean {
    return this.#failure !== undefined || this.#lost !== undefined;
  }

  /** No more is read. */
  get ended(): boolean {
    return this.stopped || this.#inputEnd !== undefined;
  }

  /** Why the run did not come to its end; `stream` is what it is said to have written to. */
  failure(stream: StreamKey): StreamctlError | undefined {
    return (
      this.#unknownOutcome(stream) ?? this.#unconfirmedOutcome(stream) ?? this.#inputEnd ?? this.#failure
    );
  }

  /** How many lines have come to an end: grows with each step forward. */
  get settled(): number {
    return this.inRedis + this.rejected;
  }

  get written(): number {
    return this.streams.reduce((sum, { written }) => sum + written, 0);
  }

  get present(): number {
    return this.streams.reduce((sum, { present }) => sum + present, 0);
  }

  get unknown(): number {
    return this.#linesThatAre("unknown").length;
  }

  get unknownLines(): LineRange[] {
    return ranges(this.#linesThatAre("unknown"));
  }

  get unconfirmedLines(): LineRange[] {
    return ranges(this.#linesThatAre("unconfirmed"));
  }

  /** Every line up to this one is in Redis, was rejected, or was empty. */
  get through(): number {
    let through = this.lastLine;
    for (const line of this.#open.keys()) through = Math.min(through, line - 1);
    return through;
  }

  /** Lines after `through` that are in Redis nevertheless. */
  get laterLines(): LineRange[] {
    const { through } = this;
    return ranges(this.#later.filter((line) => line > through));
  }

  #close(line: number, accepted: boolean): void {
    this.#open.delete(line);
    if (this.#open.size === 0) this.#later = [];
    else if (accepted) this.#later.push(line);
  }

  #linesThatAre(open: Open): number[] {
    return [...this.#open].filter(([, why]) => why === open).map(([line]) => line);
  }

  /** They are there for all to read, and nobody knows for how long. */
  #unconfirmedOutcome(stream: StreamKey): StreamctlError | undefined {
    const count = this.#linesThatAre("unconfirmed").length;
    if (count === 0) return undefined;
    const [first, last] = this.#unconfirmedIds ?? [];
    const entries = count === 1 ? `one entry (${first}) is` : `${count} entries (${first} … ${last}) are`;
    return new StreamctlError(
      "unknownOutcome",
      `${this.#lost?.message ?? "too few replicas confirmed"}: ${entries} in ${stream} on the primary, and may be lost with it`,
      {
        hint: "they were added: adding them again would double them, unless they have IDs or keys of their own. `INFO replication` tells how the replicas are",
        cause: this.#lost,
      },
    );
  }

  #unknownOutcome(stream: StreamKey): StreamctlError | undefined {
    const { unknown } = this;
    if (unknown === 0) return undefined;
    const reason = this.#lost ?? this.#failure;
    const entries = unknown === 1 ? "one entry" : `${unknown} entries`;
    return new StreamctlError(
      "unknownOutcome",
      `${reason?.message ?? "lost the connection"}; nobody knows whether ${entries} sent without a reply got into ${stream}`,
      {
        hint: "look at the end of the stream before sending them again; entries with IDs of their own (--id-field) or keys (--idempotency-key) can be sent again safely",
        cause: reason,
      },
    );
  }
}

function known(error: unknown): StreamctlError {
  if (error instanceof StreamctlError) return error;
  throw error;
}

function ranges(lines: readonly number[]): LineRange[] {
  const result: [number, number][] = [];
  for (const line of [...lines].sort((a, b) => a - b)) {
    const last = result.at(-1);
    if (last && last[1] === line - 1) last[1] = line;
    else result.push([line, line]);
  }
  return result;
}
