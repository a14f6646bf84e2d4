import { randomBytes } from "node:crypto";
import type { StreamKey } from "../../entry/names.ts";
import { errorText } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import { isRefused } from "../../redis/errors.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { RunningWorker, WorkerNote } from "../../redis/ops/register.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { WorkerEvents } from "./events.ts";
import type { InFlight } from "./in-flight.ts";
import type { WorkerIdentity, WorkerSettings } from "./types.ts";

/** How often a worker writes of itself, beside each of its streams. */
const EVERY_MS = 5_000;
/** So many writes a second at most: of more than 100 streams each waits longer for the next one. */
const A_SECOND = 20;
/** What it wrote counts until it has failed to do so three times. */
const LASTS = 4;
/** The text of an error is cut to so many characters. */
const MOST_TEXT = 200;

export interface RegistrationParts {
  readonly streams: Streams;
  readonly settings: Member & Pick<WorkerSettings, "streams" | "register">;
  readonly inFlight: InFlight;
  readonly events: WorkerEvents;
}

/**
 * Writes beside each stream what this worker is and does (`group consumers` shows it), until it ends; and tells when
 * another that lives has the same name. A user who may not write there goes without.
 */
export class Registration {
  readonly #parts: RegistrationParts;
  readonly #run = randomBytes(6).toString("hex");
  readonly #startedAt = performance.now();
  readonly #cursors = new Map<StreamKey, string>();
  readonly #written = new Set<StreamKey>();
  #refused = false;
  #toldNamesake = false;

  constructor(parts: RegistrationParts) {
    this.#parts = parts;
  }

  /** Writes again and again until the signal aborts, then takes all of it away. */
  async follow(signal: AbortSignal): Promise<void> {
    if (this.#parts.settings.register === undefined) return;
    while (!signal.aborted && !this.#refused) {
      const { streams } = this.#parts.settings;
      const everyMs = Math.max(EVERY_MS, (streams.length * 1_000) / A_SECOND);
      const startedAt = performance.now();
      for (const stream of streams) {
        if (signal.aborted || this.#refused) break;
        await this.#write(stream, everyMs * LASTS);
        // Of many streams not all at once.
        if (streams.length > A_SECOND) await sleep(1_000 / A_SECOND, signal);
      }
      await sleep(Math.max(0, startedAt + everyMs - performance.now()), signal);
    }
  }

  /** A stream is read no longer: what was written there is over soon. */
  left(stream: StreamKey): void {
    this.#written.delete(stream);
    this.#cursors.delete(stream);
    this.#parts.events.lately.left(stream);
  }

  /** Takes away what was written. */
  async leave(): Promise<void> {
    for (const stream of this.#written) await this.#register(stream, EVERY_MS, undefined).catch(() => {});
  }

  async #write(stream: StreamKey, lastsMs: number): Promise<void> {
    const { events } = this.#parts;
    try {
      await this.#register(stream, lastsMs, this.#noteOf(stream));
    } catch (error) {
      this.#refused ||= isRefused(error);
      const what = this.#refused ? "this worker is not shown by group consumers" : "not registered now";
      events.notice("detail", `${stream}: ${what}: ${errorText(error)}`);
    }
  }

  async #register(stream: StreamKey, lastsMs: number, note: WorkerNote | undefined): Promise<void> {
    const { streams, settings } = this.#parts;
    const cursor = this.#cursors.get(stream) ?? "0";
    const request = { run: this.#run, lastsMs, note, cursor };
    if (note !== undefined) this.#written.add(stream);
    const { cursor: next, namesakes } = await streams.registerWorker(stream, settings, request);
    this.#cursors.set(stream, next);
    const [other] = namesakes;
    if (note !== undefined && other) this.#tellNamesake(stream, other);
  }

  #tellNamesake(stream: StreamKey, { host, pid }: RunningWorker): void {
    if (this.#toldNamesake) return;
    this.#toldNamesake = true;
    const { consumer, group } = this.#parts.settings;
    this.#parts.events.notice(
      "warn",
      `another worker of group ${group} on ${stream} works as ${consumer}, too (pid ${pid} on ${host}): give each a --consumer of its own, or none`,
    );
  }

  #noteOf(stream: StreamKey): WorkerNote {
    const { settings, inFlight, events } = this.#parts;
    const { host, pid, version } = settings.register as WorkerIdentity;
    const now = performance.now();
    const { running, since } = inFlight.runningOf(stream);
    const { perSecond, lastError } = events.lately.take(stream);
    const ago = (at: number | undefined): number | null => (at === undefined ? null : Math.round(now - at));
    return {
      host,
      pid,
      version,
      upMs: Math.round(now - this.#startedAt),
      running,
      runningMs: ago(since),
      ratePerSecond: Math.round(perSecond * 100) / 100,
      lastError: lastError === undefined ? null : cut(lastError.reason),
      lastErrorMs: ago(lastError?.at),
    };
  }
}

/** Marked where something is missing. */
function cut(text: string): string {
  if (text.length <= MOST_TEXT) return text;
  // No half of a character at the end.
  return `${text.slice(0, MOST_TEXT - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
