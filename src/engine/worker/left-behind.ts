import { type EntryId, nextId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { errorText, ServerError } from "../../errors.ts";
import { isDenied } from "../../redis/errors.ts";
import type { Member } from "../../redis/ops/member.ts";
import { REPLAY_CONSUMER } from "../../redis/ops/replay-fate.ts";
import { PUT_OFF_CONSUMER } from "../../redis/ops/schedule-keys.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { isMadeUp } from "../consumer-name.ts";
import type { Ordering } from "./ordering.ts";
import { SURE_SHARE } from "./ownership.ts";
import type { WorkerObserver, WorkerSettings } from "./types.ts";

/** Rows of the pending list that are looked at at once, and how many entries are remembered of a stream. */
const PAGE = 200;
const MOST = 10_000;

type EarlierSettings = Pick<WorkerSettings, "group" | "consumer" | "consumerIsUnique">;

/**
 * What was pending for a consumer with a name of its choice when its run began: an earlier run of that name had it in
 * flight. It need not wait out --claim-idle, when no other run has the name now. That is asked for again each time that
 * some is to be taken: a run that began later may have taken it by then.
 */
export class EarlierRun {
  readonly #streams: Streams;
  readonly #settings: EarlierSettings;
  readonly #observer: WorkerObserver;
  readonly #ordering: Ordering;
  readonly #left = new Map<string, EntryId[]>();
  readonly #told = new Set<string>();

  constructor(streams: Streams, settings: EarlierSettings, observer: WorkerObserver, ordering: Ordering) {
    this.#streams = streams;
    this.#settings = settings;
    this.#observer = observer;
    this.#ordering = ordering;
  }

  /** To be called before anything is read from a stream: all that is pending under the name is an earlier run's. */
  async join(stream: StreamKey): Promise<void> {
    const { group, consumer, consumerIsUnique } = this.#settings;
    if (consumerIsUnique) return;
    const ids: EntryId[] = [];
    for (let start: string | undefined = "-"; start !== undefined && ids.length < MOST;) {
      const rows = await this.#streams.pendingPage(stream, group, start, PAGE, consumer);
      const page = rows.map(({ id }) => id);
      // With order by key most of them may be parked: they come when what is before them is settled.
      ids.push(...(await this.#ordering.fronts(stream, page)));
      const last = rows.at(-1);
      start = rows.length === PAGE && last ? nextId(last.id) : undefined;
    }
    if (ids.length > 0) this.#left.set(stream, ids);
  }

  left(stream: StreamKey): void {
    this.#left.delete(stream);
  }

  get hasLeft(): boolean {
    return this.#left.size > 0;
  }

  hasLeftOn(stream: StreamKey): boolean {
    return this.#left.has(stream);
  }

  /** Up to `most` entries of a stream that may be taken now; they are not given a second time. */
  async next(stream: StreamKey, most: number): Promise<EntryId[]> {
    if (!this.#left.has(stream)) return [];
    if ((await this.#streams.namesakes()) !== "none") this.#left.clear();
    const ids = this.#left.get(stream) ?? [];
    const some = ids.splice(0, most);
    if (ids.length === 0) this.#left.delete(stream);
    return some;
  }

  /** Says so once a stream. */
  noteTaken(stream: StreamKey): void {
    if (this.#told.has(stream)) return;
    this.#told.add(stream);
    const { consumer } = this.#settings;
    this.#observer.notice("info", `${stream}: going on with what an earlier run of ${consumer} had in hand`);
  }
}

/** Looked at in one step: a fraction of a millisecond of the server's time. */
const AT_ONCE = 100;
/** So many of a stream are remembered; what is beyond is met when entries are taken from it again. */
const REMEMBERED = 1_000;

/** No process reads by these names: they go as soon as they hold nothing. */
const NO_PROCESS: ReadonlySet<string> = new Set([REPLAY_CONSUMER, PUT_OFF_CONSUMER]);

type SilenceSettings = Member & Pick<WorkerSettings, "claimIdleMs" | "tellsInactive">;

/**
 * Removes consumers whose process has gone: those from which this worker has taken entries, and made-up names that were
 * empty at the start. Only what holds nothing and has missed two heartbeats goes.
 *
 * It may be that of a worker which stands still, and which must not take its absence for XGROUP DELCONSUMER by hand when it
 * goes on. It does not for what it had in flight: others had to wait for that for --claim-idle. Nor for retries: the
 * verdict of another takes them out of the holders. So where no holders are kept, no such consumer is removed.
 */
export class SilentConsumers {
  readonly #streams: Streams;
  readonly #settings: SilenceSettings;
  readonly #observer: WorkerObserver;
  /** Per stream, since when (of performance.now()) each is waited for to be silent. */
  readonly #waiting = new Map<string, Map<string, number>>();
  #mayForget = true;

  constructor(streams: Streams, settings: SilenceSettings, observer: WorkerObserver) {
    this.#streams = streams;
    this.#settings = settings;
    this.#observer = observer;
  }

  /** An entry was taken that was pending for this consumer: it may have been its last. */
  tookFrom(stream: StreamKey, consumer: string): void {
    const { consumer: own, holders } = this.#settings;
    if (consumer === own || !this.#mayForget) return;
    if (!NO_PROCESS.has(consumer) && holders?.(stream) === undefined) return;
    let names = this.#waiting.get(stream);
    if (!names) this.#waiting.set(stream, (names = new Map<string, number>()));
    if (names.size < REMEMBERED || names.has(consumer)) names.set(consumer, performance.now());
  }

  /**
   * A stream is read from now on: what killed workers left there without an entry. Before 7.2 a consumer that waits
   * for entries looks like one that has gone, and is left alone.
   */
  async join(stream: StreamKey): Promise<void> {
    await this.#trying(stream, async () => {
      const { group, tellsInactive } = this.#settings;
      for (const { name, pending } of await this.#streams.consumerInfos(stream, group)) {
        const left = tellsInactive && isMadeUp(name);
        if (pending === 0 && (left || NO_PROCESS.has(name))) this.tookFrom(stream, name);
      }
    });
  }

  left(stream: StreamKey): void {
    this.#waiting.delete(stream);
  }

  /** Removes those of a stream that may go by now. */
  async look(stream: StreamKey): Promise<void> {
    const names = this.#waiting.get(stream);
    if (!names) return;
    await this.#trying(stream, async () => {
      const all = [...names];
      for (let at = 0; at < all.length; at += AT_ONCE)
        await this.#forget(stream, names, all.slice(at, at + AT_ONCE));
    });
    if (names.size === 0) this.#waiting.delete(stream);
  }

  async #forget(
    stream: StreamKey,
    names: Map<string, number>,
    some: readonly (readonly [string, number])[],
  ): Promise<void> {
    const silentMs = SURE_SHARE * this.#settings.claimIdleMs;
    const answers = await this.#streams.forgetSilent(
      stream,
      this.#settings,
      some.map(([name]) => ({ name, silentMs: NO_PROCESS.has(name) ? 0 : silentMs })),
    );
    for (const [i, [name, since]] of some.entries()) {
      const answer = answers[i];
      // Heard of since: its process lives. What was noted once more meanwhile is looked at again.
      const settled = answer?.kind !== "heardOf" || answer.idleMs < performance.now() - since;
      if (settled && names.get(name) === since) names.delete(name);
    }
  }

  /** That a name stays harms nobody. A user who may not remove consumers is not made to try again. */
  async #trying(stream: StreamKey, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (error instanceof ServerError && error.kind === "notFound") return;
      this.#observer.notice("detail", `${stream}: consumers that have gone stay: ${errorText(error)}`);
      if (!isDenied(error)) return;
      this.#mayForget = false;
      this.#waiting.clear();
    }
  }
}
