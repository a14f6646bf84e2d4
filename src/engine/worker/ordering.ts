import type { BlockingReader } from "../../redis/blocking-reader.ts";
import type { Held } from "../../redis/ops/restore-group.ts";
import type { Taken, TakeRule } from "../../redis/ops/take.ts";
import type { Turn } from "../group-reader/turns.ts";
import type { Found } from "./sweep.ts";
import type { Delivery } from "./types.ts";

/**
 * In which order entries may start: in any (`Unordered`), or with `--order-by` one at a time for each key (`OrderBy`). All
 * that differs between the two is here; no other role asks which one it has.
 */
export interface Ordering {
  /** As `Turns` takes it: a read that waits finds nothing. */
  readonly waitsApart: boolean;
  /** New entries that may start. */
  read(reader: BlockingReader, turn: Turn): Promise<Delivery[]>;
  /** What the pending list shows to be due, before anything is taken. */
  search(stream: string, limit: number): Promise<Found>;
  /** Takes up to `limit` of these entries, where they may start. */
  take(stream: string, rule: TakeRule, ids: readonly string[], limit: number): Promise<Taken[]>;
  /** Takes what is due and does not show in `search`. */
  takeFirsts(stream: string, rule: TakeRule, limit: number): Promise<Taken[]>;
  /** Those of this consumer's pending entries that may start: all but parked ones. */
  fronts(stream: string, ids: readonly string[]): Promise<readonly string[]>;
  /** What this worker alone knows to be its own: what the holders don't name. */
  held(stream: string): Held[];
  /** An entry was settled for good. */
  settled(delivery: Delivery): void;
  /** What settled entries have set going: each may bring one more entry. */
  readonly underWay: ReadonlySet<Promise<void>>;
  /** A stream is read no longer. */
  left(stream: string): void;
}
