import type { Streams } from "../../redis/ops/streams.ts";
import type { Instant } from "../../lib/instant.ts";
import type { Custody } from "./custody.ts";
import type { Hands } from "./hands.ts";
import type { Pacer } from "./pacer.ts";
import type { Settler } from "./settler.ts";
import { alreadyDone } from "./success.ts";
import type { Delivery, Verdict, WorkerSettings } from "./types.ts";
import type { Units } from "./units.ts";

/** Others get the entry at once, and its delivery is not counted. */
export const HAND_BACK: Verdict = { kind: "release", counted: false };

export interface EntranceParts {
  readonly streams: Streams;
  readonly settings: WorkerSettings;
  readonly hands: Hands;
  readonly custody: Custody;
  readonly units: Units;
  readonly settler: Settler;
  readonly pacer: Pacer;
  /** Aborted: what comes now is handed back. */
  readonly ending: AbortSignal;
  readonly onEntry: () => void;
}

/** Where delivered entries come in: most are to be run, some get their verdict without. */
export class Entrance {
  readonly #parts: EntranceParts;

  constructor(parts: EntranceParts) {
    this.#parts = parts;
  }

  /** Lets in what one read, or one step, has brought, which Redis was asked for then. */
  async admit(deliveries: readonly Delivery[], askedAt: Instant): Promise<void> {
    const { streams, settings, custody, hands, units } = this.#parts;
    custody.got(deliveries, askedAt);
    const duplicates = await alreadyDone(streams, settings, deliveries);
    for (const delivery of deliveries) {
      if (!hands.isOverSince(askedAt.steady, delivery)) this.#admitOne(delivery, duplicates.has(delivery));
    }
    units.readEnded();
  }

  #admitOne(delivery: Delivery, duplicate: boolean): void {
    const { settings, hands, units, pacer, ending, onEntry } = this.#parts;
    // Two steps may both have brought it: the one by which its key moved on, and a search for lost replies.
    // So may a group that was made again.
    const held = hands.get(delivery.stream, delivery.entry.id);
    if (held) {
      held.cameAgain = true;
      return;
    }
    onEntry();
    if (ending.aborted) {
      // Its read was on the way when the worker was told to stop.
      this.#settleUnrun(delivery, HAND_BACK);
    } else if (duplicate) this.#settleUnrun(delivery, { kind: "duplicate" });
    else if (delivery.deliveries > settings.retry.maxDeliveries) {
      // Its last permitted run never reported back: it may be what ends the workers. Not run once more.
      const deliveries = Math.min(delivery.deliveries - 1, Number.MAX_SAFE_INTEGER);
      const reason = `no verdict after ${deliveries} deliveries: the workers that ran it died`;
      this.#settleUnrun(
        { ...delivery, deliveries, fence: delivery.deliveries },
        { kind: "dead", reason, stderr: Buffer.alloc(0) },
      );
    } else {
      pacer.count();
      hands.hold(delivery);
      units.add(delivery);
    }
  }

  #settleUnrun(delivery: Delivery, verdict: Verdict): void {
    this.#parts.hands.hold(delivery);
    this.#parts.settler.settle(delivery, verdict, 0);
  }
}
