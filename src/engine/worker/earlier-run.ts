import { nextId } from "../../entry/id.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Ordering } from "./ordering.ts";
import type { WorkerObserver, WorkerSettings } from "./types.ts";

/** Rows of the pending list that are looked at at once, and how many entries are remembered of a stream. */
const PAGE = 200;
const MOST = 10_000;

/**
 * What was pending for a consumer with a name of its choice when its run began: an earlier run of that name had it in
 * flight. It need not wait out --claim-idle, when no other run has the name now. That is asked for again each time that
 * some is to be taken: a run that began later may have taken it by then.
 */
export class EarlierRun {
  readonly #streams: Streams;
  readonly #settings: WorkerSettings;
  readonly #observer: WorkerObserver;
  readonly #ordering: Ordering;
  readonly #left = new Map<string, string[]>();
  readonly #told = new Set<string>();

  constructor(streams: Streams, settings: WorkerSettings, observer: WorkerObserver, ordering: Ordering) {
    this.#streams = streams;
    this.#settings = settings;
    this.#observer = observer;
    this.#ordering = ordering;
  }

  /** To be called before anything is read from a stream: all that is pending under the name is an earlier run's. */
  async join(stream: string): Promise<void> {
    const { group, consumer, consumerIsUnique } = this.#settings;
    if (consumerIsUnique) return;
    const ids: string[] = [];
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

  left(stream: string): void {
    this.#left.delete(stream);
  }

  get hasLeft(): boolean {
    return this.#left.size > 0;
  }

  /** Up to `most` entries of a stream that may be taken now; they are not given a second time. */
  async next(stream: string, most: number): Promise<string[]> {
    if (!this.#left.has(stream)) return [];
    if ((await this.#streams.namesakes()) !== "none") this.#left.clear();
    const ids = this.#left.get(stream) ?? [];
    const some = ids.splice(0, most);
    if (ids.length === 0) this.#left.delete(stream);
    return some;
  }

  /** Says so once a stream. */
  noteTaken(stream: string): void {
    if (this.#told.has(stream)) return;
    this.#told.add(stream);
    const { consumer } = this.#settings;
    this.#observer.notice("info", `${stream}: going on with what an earlier run of ${consumer} had in hand`);
  }
}
