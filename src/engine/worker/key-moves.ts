import { errorText } from "../../errors.ts";
import type { Instant } from "../../lib/instant.ts";
import type { Custody } from "./custody.ts";
import type { Ordering } from "./ordering.ts";
import type { Reclaimer } from "./reclaimer.ts";
import type { SilentConsumers } from "./silent-consumers.ts";
import type { Delivery, WorkerObserver } from "./types.ts";

/** With order by key: moves the key of a settled entry on to its next entry. */
export class KeyMoves {
  readonly #ordering: Ordering;
  readonly #custody: Custody;
  readonly #reclaimer: Reclaimer;
  readonly #silent: SilentConsumers;
  readonly #observer: WorkerObserver;
  readonly #admit: (deliveries: readonly Delivery[], askedAt: Instant) => Promise<void>;
  readonly #underWay = new Set<Promise<void>>();

  constructor(
    ordering: Ordering,
    custody: Custody,
    reclaimer: Reclaimer,
    silent: SilentConsumers,
    observer: WorkerObserver,
    admit: (deliveries: readonly Delivery[], askedAt: Instant) => Promise<void>,
  ) {
    this.#ordering = ordering;
    this.#custody = custody;
    this.#reclaimer = reclaimer;
    this.#silent = silent;
    this.#observer = observer;
    this.#admit = admit;
  }

  /** Moves that have not come to their end: each may bring one more entry. */
  get underWay(): ReadonlySet<Promise<void>> {
    return this.#underWay;
  }

  after(settled: Delivery): void {
    const move = this.#moveOn(settled).finally(() => this.#underWay.delete(move));
    this.#underWay.add(move);
  }

  /** What goes wrong here is mended by the sweeps. */
  async #moveOn(settled: Delivery): Promise<void> {
    try {
      const askedAt = this.#custody.asks();
      const next = await this.#ordering.next(settled);
      if (!next) return;
      this.#silent.tookFrom(settled.stream, next.from);
      await this.#admit([next.delivery], askedAt);
    } catch (error) {
      this.#reclaimer.repliesLost();
      this.#observer.notice("detail", `the next of its key was not started: ${errorText(error)}`);
    }
  }
}
