import type { Entry } from "../../entry/entry.ts";
import { ServerError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import { translateReply } from "../../redis/errors.ts";
import { bySlot, keySlot } from "../../redis/keys.ts";
import type { Pipeline } from "../../redis/pipeline.ts";
import { type Reply, ReplyError } from "../../redis/resp.ts";
import { type DecodedStream, decodeStreams } from "../../redis/ops/entry.ts";
import { PageSize } from "../../redis/ops/range.ts";
import { fitting } from "../fitting.ts";
import type { Roster } from "../roster.ts";
import type { EntryFilter } from "../where.ts";
import type { Ends } from "./ends.ts";
import { boundReply, type LinkListener, onPipelines } from "./pipelines.ts";
import type { Batch, Page } from "./page.ts";

/** The longest one read waits: a lost peer, a moved slot and an unheard wake-up are noticed after it. */
const MAX_BLOCK_MS = 2_000;
/** Streams that can't be waited for together take turns at waiting; a round of turns takes this long. */
const ROUND_MS = 500;

/** A command to send ahead of a read (an ack), and what becomes of its reply. */
export interface Ahead {
  readonly command: string;
  readonly stream: string;
  readonly bytes: Buffer;
  onReply(reply: Reply): void;
}

/** How a reader asks and what it keeps account of: XREAD with cursors, or XREADGROUP with acks. */
export interface ReadMode {
  readonly command: string;
  /** True when what is read is taken: then no more is ever asked for than will be handed out. */
  readonly takes: boolean;
  /** True for a stream that can't share a read with others now, nor wait. */
  alone(stream: string): boolean;
  encodeRead(streams: readonly string[], count: number, blockMs: number | undefined): Buffer;
  /** A reply for these streams has come; `parts` leaves out those that had nothing. */
  arrived(streams: readonly string[], parts: readonly DecodedStream[]): void;
  /** The page has been printed. */
  printed(page: Page): void;
  /** What is to be sent along with the next read. */
  ahead(): Ahead[];
  /** There are new pipelines: what was under way on the old ones is unknown. */
  reconnected(): void;
}

export interface ReaderParts {
  readonly connection: Connection;
  readonly roster: Roster;
  readonly mode: ReadMode;
  readonly ends: Ends;
  readonly signal: AbortSignal;
  readonly link: LinkListener;
  readonly filter?: EntryFilter | undefined;
}

interface Turn {
  /** The number of the pipeline. */
  readonly slot: number;
  readonly streams: readonly string[];
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
 * are on their way, so at most three pages are in memory. A read that waits is sent only when nothing is
 * unprinted, since the server would keep the acks behind it waiting, too.
 */
export class StreamReader {
  readonly #parts: ReaderParts;
  /** The streams as they were when the last read was sent, and in groups with a pipeline each. */
  #streams: readonly string[] = [];
  #slots: string[][] = [];
  #finished = false;
  #pipelines: readonly Pipeline[] = [];
  readonly #size = new PageSize();
  readonly #blockMs: number;
  #at = 0;
  /** Reads in a row that gave nothing. */
  #fruitless = 0;
  /** Reads sent whose replies have not been looked at, in order. */
  #underWay: Promise<Arrival>[] = [];
  /** Entries that the reads under way may take. */
  #asked = 0;
  /** Settles when the replies to all that was sent ahead have come. */
  #ahead: Promise<unknown> = Promise.resolve();
  #aheadFailure: unknown;

  constructor(parts: ReaderParts) {
    const { connection } = parts;
    this.#parts = parts;
    // The pipeline takes a peer that is silent for the command timeout for dead.
    const { commandTimeoutMs } = connection.settings;
    this.#blockMs = commandTimeoutMs > 0 ? Math.min(MAX_BLOCK_MS, commandTimeoutMs / 2) : MAX_BLOCK_MS;
  }

  /** Ends when one of the ends is reached or the signal aborts; waits out lost connections. */
  async *pages(): AsyncGenerator<Page> {
    const { connection, signal, link, roster, ends } = this.#parts;
    const options = { signal, link, budgetMs: Infinity, askForLess: () => this.#size.tooLarge() };
    while (!this.#finished && !ends.reached) {
      const failingOver = connection.failingOver(undefined);
      if (roster.streams.length === 0 || failingOver) {
        if (ends.untilEmpty && !failingOver) return;
        await sleep(ends.waitMs(ROUND_MS), signal);
        continue;
      }
      this.#streams = roster.streams;
      this.#slots = bySlot(roster.streams, connection.cluster);
      const keys = this.#slots.map(([first]) => first as string);
      try {
        yield* onPipelines(connection, keys, options, (pipelines, alive) => this.#session(pipelines, alive));
      } catch (error) {
        // A stream that has gone fails a read of several, before it is missed.
        if (!(error instanceof ServerError && error.code === "NOGROUP" && (await roster.dropGone())))
          throw error;
      }
    }
  }

  async *#session(pipelines: readonly Pipeline[], alive: () => void): AsyncGenerator<Page> {
    const { mode, ends } = this.#parts;
    this.#pipelines = pipelines;
    const stopWaking = await this.#wakeAtStop(pipelines);
    try {
      this.#startAnew();
      this.#ask(pipelines, false);
      for (let next = this.#underWay.shift(); next; next = this.#underWay.shift()) {
        const arrival = await next;
        if (this.#aheadFailure !== undefined) throw this.#aheadFailure;
        alive();
        const page = await this.#accept(arrival);
        if (page.length === 0) {
          if (this.#underWay.length > 0) continue;
          const allEmpty = this.#fruitless >= this.#turns().length;
          if (allEmpty && ends.untilEmpty) break;
          this.#ask(pipelines, allEmpty);
          continue;
        }
        const more = arrival.full || this.#turns().length > 1;
        if (more) this.#askMore(pipelines);
        this.#sendAhead(pipelines);
        yield page;
        mode.printed(page);
        ends.active();
        if (this.#underWay.length === 0) this.#ask(pipelines, !more && !ends.untilEmpty);
      }
      this.#sendAhead(pipelines);
      await this.#ahead;
      this.#finished = this.#pipelinesFit();
    } finally {
      stopWaking();
      // A read that the server has yet to carry out would take entries after they were counted.
      if (mode.takes) await Promise.allSettled(this.#underWay);
    }
  }

  #startAnew(): void {
    this.#parts.mode.reconnected();
    this.#ahead = Promise.resolve();
    this.#aheadFailure = undefined;
    this.#underWay = [];
    this.#asked = 0;
    this.#fruitless = 0;
  }

  /**
   * How many reads may be under way. New entries of a group can be asked for twice in a row, so that the
   * server never waits for this process; what is read after a cursor needs the reply before.
   */
  get #depth(): number {
    const { mode } = this.#parts;
    return mode.takes && !this.#streams.some((stream) => mode.alone(stream)) ? 2 : 1;
  }

  /** Sends reads that do not wait, until as many are under way as may be. */
  #askMore(pipelines: readonly Pipeline[]): void {
    while (this.#underWay.length < this.#depth) {
      if (!this.#ask(pipelines, false)) return;
    }
  }

  /** How many entries may still be asked for. */
  get #wanted(): number {
    return this.#parts.ends.remaining - this.#asked;
  }

  /** Sends the read of the next turn; false when an end is reached. */
  #ask(pipelines: readonly Pipeline[], wait: boolean): boolean {
    const { mode, ends } = this.#parts;
    if (ends.reached || (mode.takes && this.#wanted <= 0) || !this.#pipelinesFit()) return false;
    const turns = this.#turns();
    const turn = turns[this.#at++ % turns.length] as Turn;
    const most = mode.takes ? Math.min(this.#size.count, this.#wanted) : this.#size.count;
    const each = Math.max(1, Math.floor(most / turn.streams.length));
    const longest = turns.length === 1 ? this.#blockMs : Math.min(this.#blockMs, ROUND_MS / turns.length);
    const blockMs =
      wait && !turn.streams.some((stream) => mode.alone(stream)) ? ends.waitMs(longest) : undefined;
    this.#sendAhead(pipelines);
    const read = mode.encodeRead(turn.streams, each, blockMs);
    const asked = mode.takes ? each * turn.streams.length : 0;
    const pipeline = pipelines[turn.slot] as Pipeline;
    boundReply(pipeline, each);
    const reading = pipeline.request(read).then((reply) => {
      const parts = decodeStreams(this.#checked(reply, mode.command));
      return { turn, asked, parts, full: parts.some(({ entries }) => entries.length >= each) };
    });
    // Printing may still be going on when the connection is lost; whoever awaits the reply hears of it.
    reading.catch(() => {});
    this.#underWay.push(reading);
    this.#asked += asked;
    return true;
  }

  /** Keeps account of a reply and gives what is to be printed of it. */
  async #accept({ turn, asked, parts }: Arrival): Promise<Page> {
    this.#asked -= asked;
    const { mode, ends, filter, signal } = this.#parts;
    const wasAlone = turn.streams.some((stream) => mode.alone(stream));
    mode.arrived(turn.streams, parts);
    // A stream's own backlog that has come to its end says nothing about what is new.
    this.#fruitless = parts.length > 0 || wasAlone ? 0 : this.#fruitless + 1;
    const page: Batch[] = [];
    for (const { stream, entries } of parts) {
      this.#size.saw(entries);
      const nameOf = ({ id }: Entry): string => `${stream} ${id}`;
      const wanted = (filter ? await fitting(entries, filter, { signal, nameOf }) : entries).slice(
        0,
        ends.remaining,
      );
      if (wanted.length === 0) continue;
      ends.took(wanted.length);
      page.push({ stream, entries: wanted });
    }
    return page;
  }

  /** What is sent now would be lost. */
  get #outdated(): boolean {
    return this.#pipelines.some(({ peer }) => this.#parts.connection.failingOver(peer));
  }

  /**
   * Takes note of streams that have come or gone; false when what is to be read now needs other pipelines.
   */
  #pipelinesFit(): boolean {
    const { roster, connection } = this.#parts;
    if (this.#outdated) return false;
    if (this.#streams === roster.streams) return true;
    const slotOf = (stream: string | undefined): number =>
      connection.cluster && stream !== undefined ? keySlot(stream) : 0;
    const groups = new Map(
      bySlot(roster.streams, connection.cluster).map((group) => [slotOf(group[0]), group]),
    );
    const pipelineSlots = this.#slots.map(([first]) => slotOf(first));
    if (
      groups.size === 0 ||
      pipelineSlots.length !== groups.size ||
      pipelineSlots.some((slot) => !groups.has(slot))
    )
      return false;
    this.#streams = roster.streams;
    this.#slots = pipelineSlots.map((slot) => groups.get(slot) as string[]);
    return true;
  }

  /** Streams of a slot are read together, unless fewer entries are wanted than there are streams. */
  #turns(): Turn[] {
    const { mode } = this.#parts;
    const turns: Turn[] = [];
    this.#slots.forEach((streams, slot) => {
      const together = streams.filter((stream) => !mode.alone(stream));
      const apart = streams.filter((stream) => mode.alone(stream));
      if (mode.takes && this.#wanted < together.length) apart.push(...together.splice(0));
      for (const stream of apart) turns.push({ slot, streams: [stream] });
      if (together.length > 0) turns.push({ slot, streams: together });
    });
    return turns;
  }

  /** Sends acks and what else is due; `#ahead` tells when they have been answered. */
  #sendAhead(pipelines: readonly Pipeline[]): void {
    if (this.#outdated) return;
    for (const item of this.#parts.mode.ahead()) {
      const { command, stream, bytes } = item;
      const slot = this.#slots.findIndex((streams) => streams.includes(stream));
      if (slot < 0) {
        // It has left: nothing of it is pending any more.
        item.onReply(null);
        continue;
      }
      const answered = (pipelines[slot] as Pipeline)
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

  /**
   * When the signal aborts, ends the read that waits: one that takes nothing by closing its pipeline, one
   * that takes entries by CLIENT UNBLOCK, so that its reply still comes. Who may not do that, waits the block
   * out.
   */
  async #wakeAtStop(pipelines: readonly Pipeline[]): Promise<() => void> {
    const { connection, mode, signal } = this.#parts;
    let wake = (): void => {
      for (const pipeline of pipelines) pipeline.close();
    };
    if (mode.takes) {
      const ids = await Promise.all(pipelines.map((pipeline) => pipeline.clientId()));
      wake = () => {
        for (const [i, id] of ids.entries()) {
          if (id !== undefined) void connection.unblock(id, pipelines[i] as Pipeline);
        }
      };
    }
    signal.addEventListener("abort", wake, { once: true });
    return () => signal.removeEventListener("abort", wake);
  }
}
