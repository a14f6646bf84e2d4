import type { StreamKey } from "../../entry/names.ts";
import { errorText, ServerError, StreamctlError } from "../../errors.ts";
import type { LinkWatch } from "../../lib/link-watch.ts";
import { sleep } from "../../lib/timer.ts";
import { isDenied, isTransient } from "../../redis/errors.ts";
import { bySlot } from "../../redis/keys.ts";
import type { DueAdded } from "../../redis/ops/add-due.ts";
import { type ScheduleKeys, scheduleKeys } from "../../redis/ops/schedule-keys.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { formatCount } from "../../units.ts";
import { eachAtMost } from "../each-at-most.ts";

/**
 * So often it is asked when something is due: often enough that what was scheduled for sooner than that is not later than a
 * second. What is known to be due earlier is looked at then.
 */
const LOOK_MS = 750;
/** So many schedules are asked for in one script: about a tenth of a millisecond of the server's time. */
const ASKED_AT_ONCE = 100;
/** So many streams get what is due at the same time. */
const STREAMS_AT_ONCE = 8;

export interface AdderParts {
  readonly streams: Pick<Streams, "addDue" | "nextDue" | "cluster">;
  /** The streams of the moment. */
  readonly settings: { readonly streams: readonly StreamKey[] };
  readonly events: AdderEvents;
  /** This user lacks a right to the stream's schedule, and it is left to others from now on. */
  readonly refused: (stream: StreamKey, error: ServerError) => void;
}

export interface AdderEvents {
  /** Entries came due and are in their stream, or may be taken by their group. */
  scheduled(stream: StreamKey, step: DueAdded): void;
  notice(level: "info" | "warn", message: string): void;
}

/** What is due on one stream. */
interface Target extends ScheduleKeys {
  readonly stream: StreamKey;
}

/**
 * Adds what was scheduled to its stream when it is due, by the server's clock alone. Any number of workers may do so for one
 * stream: each step is one script (redis/ops/add-due.ts), so the first one gets what is due and the others find nothing.
 * Each asks once a look for all of its streams, in a few commands that leave together; what goes wrong with one stream is
 * said once, and the others go on.
 */
export class ScheduleAdder {
  readonly #parts: AdderParts;
  /** What keeps streams from getting what is due, as it was said. */
  readonly #troubles = new Map<StreamKey, string>();
  /** Streams whose schedule this user may not have. */
  readonly #refused = new Set<StreamKey>();

  constructor(parts: AdderParts) {
    this.#parts = parts;
  }

  /**
   * Until the signal aborts. What the next look may mend, as a lost connection, goes to `waits`, and that Redis answers to
   * `works`. Rejects for what is no error of Redis'.
   */
  async run(signal: AbortSignal, link: Pick<LinkWatch, "waits" | "works">): Promise<void> {
    while (!signal.aborted) {
      let waitMs = LOOK_MS;
      try {
        waitMs = await this.look(signal);
        link.works();
      } catch (error) {
        if (!(error instanceof StreamctlError)) throw error;
        if (!signal.aborted) link.waits(error);
      }
      await sleep(waitMs, signal);
    }
  }

  /** Adds all that is due; gives in how many ms the next look is worth while. Rejects when Redis can't be asked. */
  async look(signal: AbortSignal): Promise<number> {
    let waitMs = LOOK_MS;
    let due: Target[] = [];
    const ask = async (some: readonly Target[]): Promise<void> => {
      for (const [target, ms] of await this.#nextOf(some)) {
        if (ms <= 0) due.push(target);
        else waitMs = Math.min(waitMs, ms);
      }
    };
    await Promise.all(this.#chunks().map(ask));
    while (due.length > 0 && !signal.aborted) {
      const more: Target[] = [];
      await eachAtMost(STREAMS_AT_ONCE, due, async (target) => {
        const nextMs = await this.#step(target);
        if (nextMs === undefined) return;
        if (nextMs <= 0) more.push(target);
        else waitMs = Math.min(waitMs, nextMs);
      });
      due = more;
    }
    return waitMs;
  }

  /** A stream is read no longer. */
  left(stream: StreamKey): void {
    this.#troubles.delete(stream);
    this.#refused.delete(stream);
  }

  #chunks(): Target[][] {
    const { streams, settings } = this.#parts;
    const targets = new Map<string, Target>();
    for (const stream of settings.streams) {
      const keys = this.#refused.has(stream) ? undefined : scheduleKeys(stream, streams.cluster);
      if (keys) targets.set(keys.due, { ...keys, stream });
    }
    const chunks: Target[][] = [];
    for (const keys of bySlot([...targets.keys()], streams.cluster)) {
      for (let at = 0; at < keys.length; at += ASKED_AT_ONCE)
        chunks.push(keys.slice(at, at + ASKED_AT_ONCE).map((key) => targets.get(key) as Target));
    }
    return chunks;
  }

  /** Those of which something is scheduled, and in how many ms it is due. */
  async #nextOf(targets: readonly Target[]): Promise<[Target, number][]> {
    try {
      const next = await this.#parts.streams.nextDue(targets.map(({ due }) => due));
      return targets.flatMap((target): [Target, number][] => {
        const ms = next.get(target.due);
        if (ms instanceof ServerError) this.#hasTrouble(target.stream, ms);
        return typeof ms === "number" ? [[target, ms]] : [];
      });
    } catch (error) {
      if (!isDenied(error)) throw error;
      // One key that this user may not have is enough.
      if (targets.length > 1)
        return (await Promise.all(targets.map((target) => this.#nextOf([target])))).flat();
      for (const { stream } of targets) this.#refuse(stream, error);
      return [];
    }
  }

  /** In how many ms the next one is due; undefined: nothing more is, or it can't be added now. */
  async #step(target: Target): Promise<number | undefined> {
    const { streams, events } = this.#parts;
    const { stream } = target;
    try {
      const step = await streams.addDue(stream, target);
      if (step.added > 0 || step.givenBack > 0) events.scheduled(stream, step);
      if (step.setAside > 0) events.notice("warn", `${stream}: ${setAsideText(step.setAside)}`);
      if (step.failure) throw step.failure;
      if (this.#troubles.delete(stream)) events.notice("info", `${stream}: what is scheduled is added again`);
      return step.nextMs;
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      if (isDenied(error)) this.#refuse(stream, error);
      else this.#hasTrouble(stream, error);
      return undefined;
    }
  }

  #hasTrouble(stream: StreamKey, error: ServerError): void {
    const text = errorText(error);
    if (this.#troubles.get(stream) === text) return;
    this.#troubles.set(stream, text);
    // What passes by itself needs no one to do anything.
    const hint = error.hint === undefined || isTransient(error) ? "" : ` (${error.hint})`;
    this.#parts.events.notice("warn", `${stream}: what is scheduled waits: ${text}${hint}`);
  }

  #refuse(stream: StreamKey, error: ServerError): void {
    this.#refused.add(stream);
    this.#parts.refused(stream, error);
  }
}

function setAsideText(count: number): string {
  return `${formatCount(count, "scheduled record")} can't be read, and ${count === 1 ? "was" : "were"} set aside: streamctl schedule list shows them`;
}
