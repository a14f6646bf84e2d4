import type { Entry } from "../../entry/entry.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import { translateReply } from "../../redis/errors.ts";
import type { Pipeline } from "../../redis/pipeline.ts";
import { type Reply, ReplyError } from "../../redis/resp.ts";
import { type DecodedStream, decodeStreams } from "../../redis/ops/entry.ts";
import { PageSize } from "../../redis/ops/range.ts";
import { fitting } from "../fitting.ts";
import { Depth } from "../under-way.ts";
import { type Turn, Turns } from "../group-reader/turns.ts";
import type { Roster } from "../roster.ts";
import type { EntryFilter } from "../where.ts";
import type { Ends } from "../group-reader/ends.ts";
import type { GroupState } from "../group-reader/group-state.ts";
import { boundReply, type LinkListener, onPipelines, wakeAtStop } from "./pipelines.ts";

/** The longest one read waits: a lost peer, a moved slot and an unheard wake-up are noticed after it. */
const MAX_BLOCK_MS = 2_000;
/** The same for what a group gives: nothing is to be taken a second after it was paused. */
const GROUP_BLOCK_MS = 400;
/** How soon is noticed that a group goes on: Redis is not asked for it. */
const WHILE_PAUSED_MS = 100;
/** Without a stream there is nothing to wait for but time. */
const WITHOUT_STREAMS_MS = 500;

/** New entries of a group can be asked for twice in a row, so that the server never waits for this process. */
const LEAST_TAKING = 2;
/** Of small entries; each page that is under way may be in memory before it is printed. More cost more than they save. */
const MOST_TAKING = 6;

/** Entries of one stream, in the order read. */
export interface Batch {
  readonly stream: StreamKey;
  readonly entries: readonly Entry[];
}

/** What one read gave and is printed, and acked, together. */
export type Page = readonly Batch[];

/** A command to send ahead of a read (an ack), and what becomes of its reply. */
export interface Ahead {
  readonly command: string;
  readonly stream: StreamKey;
  readonly bytes: Buffer;
  onReply(reply: Reply): void;
}

/** How a reader asks and what it keeps account of: XREAD with cursors, or XREADGROUP with acks. */
export interface ReadMode {
  readonly command: string;
  /** True when what is read is taken: then no more is ever asked for than will be handed out. */
  readonly takes: boolean;
  /** True for a stream that can't share a read with others now, nor wait. */
  alone?(stream: StreamKey): boolean;
  encodeRead(streams: readonly StreamKey[], count: number, blockMs: number | undefined): Buffer;
  /** A reply for these streams has come; `parts` leaves out those that had nothing. */
  arrived(streams: readonly StreamKey[], parts: readonly DecodedStream[]): void;
  /** The page has been printed. */
  printed?(page: Page): void;
  /** What came and does not fit the filter: it is not printed. */
  passedOver?(batch: Batch): void;
  /** What is to be sent along with the next read. */
  ahead?(): Ahead[];
  /** There are new pipelines: what was under way on the old ones is unknown. */
  reconnected?(): void;
}

export interface ReaderParts {
  readonly connection: Connection;
  readonly roster: Roster;
  readonly mode: ReadMode;
  readonly ends: Ends;
  /** Of what is read for a group: where it is paused, nothing is read. */
  readonly groupState?: GroupState | undefined;
  readonly signal: AbortSignal;
  readonly link: LinkListener;
  readonly filter?: EntryFilter | undefined;
}

interface Arrival {
  readonly turn: Turn;
  /** How many entries it may have taken. */
  readonly asked: number;
  readonly parts: readonly DecodedStream[];
  /** As many entries as asked for: more are likely to be there. */
  readonly full: boolean;
}

/**
 * Reads streams as they grow, several of them in turn, over one pipeline per cluster slot (outside a cluster:
 * one). A page counts as printed when the next one is asked for; while it is being printed, one or two reads
 * are on their way, so at most three pages are in memory; where a round trip takes long, as many as PageSize lets
 * be under way. A read that waits is sent only when nothing is unprinted, since the server would keep the acks
 * behind it waiting, too.
 */
export class StreamReader {
  readonly #parts: ReaderParts;
  readonly #turns: Turns;
  #finished = false;
  /** What is to be read needs other pipelines than those of the session. */
  #outgrown = false;
  /** One for each slot. */
  #pipelines: ReadonlyMap<number, Pipeline> = new Map();
  readonly #size = new PageSize();
  readonly #depth = new Depth(MOST_TAKING);
  readonly #blockMs: number;
  /** Ends the read that waits, while there are pipelines. */
  #wake: (() => Promise<unknown>) | undefined;
  /** Reads sent that have no reply. */
  readonly #unanswered = new Set<Promise<unknown>>();
  /** It waits for the end of a pause, or has done so since it last read. */
  #waited = false;
  /** Reads sent whose replies have not been looked at, in order. */
  #underWay: Promise<Arrival>[] = [];
  /** Entries that the reads under way may take. */
  #asked = 0;
  /** Settles when the replies to all that was sent ahead have come. */
  #ahead: Promise<unknown> = Promise.resolve();
  #aheadFailure: unknown;

  constructor(parts: ReaderParts) {
    const { connection, mode, groupState } = parts;
    this.#parts = parts;
    this.#turns = new Turns({
      streams: () => this.#streams,
      cluster: connection.cluster,
      alone: mode.alone?.bind(mode),
    });
    // The pipeline takes a peer that is silent for the command timeout for dead.
    const { commandTimeoutMs } = connection.settings;
    const mostMs = groupState ? GROUP_BLOCK_MS : MAX_BLOCK_MS;
    this.#blockMs = commandTimeoutMs > 0 ? Math.min(mostMs, commandTimeoutMs / 2) : mostMs;
  }

  /** Those that are read. */
  get #streams(): readonly StreamKey[] {
    return this.#parts.groupState?.open ?? this.#parts.roster.streams;
  }

  /** The group was paused on a stream: a read that waits is ended. Resolves when none is under way that was sent before. */
  async wake(): Promise<void> {
    const reads = [...this.#unanswered];
    await this.#wake?.();
    await Promise.allSettled(reads);
  }

  /** Ends when one of the ends is reached or the signal aborts; waits out lost connections. */
  async *pages(): AsyncGenerator<Page> {
    const { connection, signal, link, roster, ends, groupState } = this.#parts;
    const options = { signal, link, budgetMs: Infinity, askForLess: () => this.#size.tooLarge() };
    while (!this.#finished && !this.#ended) {
      const failingOver = connection.failingOver(undefined);
      if (this.#streams.length === 0 || failingOver) {
        if (ends.untilEmpty && !failingOver) return;
        this.#waited ||= groupState?.allPaused ?? false;
        await sleep(this.#waited ? WHILE_PAUSED_MS : ends.waitMs(WITHOUT_STREAMS_MS), signal);
        if (this.#waited) ends.active();
        continue;
      }
      try {
        yield* onPipelines(connection, this.#turns.slots, options, (pipelines, alive) =>
          this.#session(pipelines, alive),
        );
      } catch (error) {
        // A stream that has gone fails a read of several, before it is missed.
        if (!(error instanceof ServerError && error.code === "NOGROUP" && (await roster.dropGone())))
          throw error;
      }
    }
  }

  async *#session(pipelines: ReadonlyMap<number, Pipeline>, alive: () => void): AsyncGenerator<Page> {
    const { connection, mode, ends, signal } = this.#parts;
    this.#pipelines = pipelines;
    const waking = await wakeAtStop(connection, pipelines, {
      signal,
      takes: mode.takes,
      mostMs: this.#blockMs,
    });
    this.#wake = waking.wake;
    try {
      this.#startAnew();
      this.#ask("look");
      for (let next = this.#underWay.shift(); next; next = this.#underWay.shift()) {
        const arrival = await this.#depth.take(next);
        if (this.#aheadFailure !== undefined) throw this.#aheadFailure;
        alive();
        const page = await this.#accept(arrival);
        if (page.length === 0) {
          if (this.#underWay.length > 0) continue;
          if (ends.untilEmpty && this.#turns.allLooked) break;
          this.#ask("wait");
          continue;
        }
        if (arrival.full || !arrival.turn.all) this.#askMore();
        this.#sendAhead();
        yield page;
        mode.printed?.(page);
        ends.active();
        if (this.#underWay.length === 0) this.#ask("wait");
      }
      this.#sendAhead();
      await this.#ahead;
      this.#finished = !this.#outgrown && this.#pipelinesFit();
    } finally {
      waking.done();
      this.#wake = undefined;
      // A read that the server has yet to carry out would take entries after they were counted.
      if (mode.takes) await Promise.allSettled(this.#underWay);
    }
  }

  #startAnew(): void {
    this.#parts.mode.reconnected?.();
    this.#outgrown = false;
    if (this.#waited) this.#parts.ends.active();
    this.#waited = false;
    this.#ahead = Promise.resolve();
    this.#aheadFailure = undefined;
    this.#underWay = [];
    this.#asked = 0;
    this.#turns.lookAnew();
  }

  /** How many reads may be under way; what is read after a cursor needs the reply before. */
  get #most(): number {
    const { mode } = this.#parts;
    if (!mode.takes || this.#streams.some((stream) => mode.alone?.(stream))) return 1;
    return Math.max(LEAST_TAKING, Math.min(this.#depth.value, this.#size.ahead));
  }

  /** Sends reads that do not wait, until as many are under way as may be. */
  #askMore(): void {
    while (this.#underWay.length < this.#most) {
      if (!this.#ask("look")) return;
    }
  }

  /** Sends the next read, which waits where it may and is wanted to; false when an end is reached. */
  #ask(how: "look" | "wait"): boolean {
    const { mode, ends } = this.#parts;
    if (this.#ended) return false;
    this.#outgrown ||= !this.#pipelinesFit();
    if (this.#outgrown) return false;
    // What is taken must be printed.
    const most = mode.takes ? ends.remaining - this.#asked : Number.POSITIVE_INFINITY;
    if (most <= 0) return false;
    const waitMs = how === "wait" && !ends.untilEmpty ? ends.waitMs(this.#blockMs) : 0;
    const turn = this.#turns.next(this.#size.count, most, waitMs);
    if (!turn) return false;
    const { streams, count, blockMs } = turn;
    this.#sendAhead();
    const read = mode.encodeRead(streams, count, blockMs > 0 ? blockMs : undefined);
    const asked = mode.takes ? count * streams.length : 0;
    const pipeline = this.#pipelines.get(turn.slot) as Pipeline;
    boundReply(pipeline, count, Math.ceil((this.#underWay.length + 1) / LEAST_TAKING));
    const reading = pipeline.request(read).then((reply) => {
      const parts = decodeStreams(this.#checked(reply, mode.command));
      return { turn, asked, parts, full: parts.some(({ entries }) => entries.length >= count) };
    });
    // Printing may still be going on when the connection is lost; whoever awaits the reply hears of it.
    const ended = reading.then(
      () => {},
      () => {},
    );
    this.#unanswered.add(ended);
    void ended.then(() => this.#unanswered.delete(ended));
    this.#depth.watch(reading);
    this.#underWay.push(reading);
    this.#asked += asked;
    return true;
  }

  /** Keeps account of a reply and gives what is to be printed of it. */
  async #accept({ turn, asked, parts }: Arrival): Promise<Page> {
    this.#asked -= asked;
    const { mode, ends, filter, signal } = this.#parts;
    const wasAlone = turn.streams.some((stream) => mode.alone?.(stream));
    mode.arrived(turn.streams, parts);
    // A stream's own backlog that has come to its end says nothing about what is new.
    if (parts.length > 0 || wasAlone || turn.blockMs > 0) this.#turns.lookAnew();
    else this.#turns.looked(turn);
    const page: Batch[] = [];
    for (const { stream, entries } of parts) {
      this.#size.saw(entries);
      const nameOf = ({ id }: Entry): string => `${stream} ${id}`;
      const fit = filter ? await fitting(entries, filter, { signal, nameOf }) : entries;
      // A filter that was stopped has not looked at them all.
      if (fit.length < entries.length && !signal.aborted && mode.passedOver) {
        const fits = new Set(fit);
        mode.passedOver({ stream, entries: entries.filter((entry) => !fits.has(entry)) });
      }
      const wanted = fit.slice(0, ends.remaining);
      if (wanted.length === 0) continue;
      ends.took(wanted.length);
      ends.active();
      page.push({ stream, entries: wanted });
    }
    return page;
  }

  get #ended(): boolean {
    return this.#parts.signal.aborted || this.#parts.ends.reached;
  }

  /** What is sent now would be lost. */
  get #outdated(): boolean {
    return [...this.#pipelines.values()].some(({ peer }) => this.#parts.connection.failingOver(peer));
  }

  /** False when what is to be read now needs other pipelines. */
  #pipelinesFit(): boolean {
    const { slots } = this.#turns;
    return (
      !this.#outdated &&
      slots.size === this.#pipelines.size &&
      [...slots.keys()].every((slot) => this.#pipelines.has(slot))
    );
  }

  /** Sends acks and what else is due; `#ahead` tells when they have been answered. */
  #sendAhead(): void {
    if (this.#outdated) return;
    for (const item of this.#parts.mode.ahead?.() ?? []) {
      const { command, stream, bytes } = item;
      const pipeline = this.#pipelines.get(this.#turns.slotOf(stream));
      if (!pipeline) {
        // It has left: nothing of it is pending any more.
        item.onReply(null);
        continue;
      }
      const answered = pipeline
        .request(bytes)
        .then((reply) => item.onReply(this.#checked(reply, command, stream)));
      this.#ahead = Promise.all([this.#ahead, answered]).then(() => {});
      this.#ahead.catch((error: unknown) => {
        this.#aheadFailure ??= error;
      });
    }
  }

  #checked(reply: Reply, command: string, key?: string): Reply {
    if (!(reply instanceof ReplyError)) return reply;
    // A stream that went while a read waited for it: nothing came.
    if (reply.text.startsWith("UNBLOCKED")) return null;
    throw translateReply(reply.text, { command, key });
  }
}
