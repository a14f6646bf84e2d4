import type { StreamKey } from "../../entry/names.ts";
import type { StreamctlError } from "../../errors.ts";
import type { IdRule } from "./ids.ts";
import type { DueRule } from "./later.ts";
import type { Backlog, LagRule } from "./wait-lag.ts";
import type { Hold } from "../trim/trim.ts";
import type { UnreadLoss } from "./trim-losses.ts";
import type { PartitionRule } from "./partitions.ts";
import type { BadLine, EntrySource } from "../../entry/sources/source.ts";
import type { KeptTrim } from "./keep-unread.ts";
import type { ReplicaRule } from "../../redis/replicas.ts";
import type { XaddOptions } from "../../redis/ops/add.ts";

export interface ProduceRequest {
  /** The stream, or what the names of its partitions begin with. */
  readonly stream: StreamKey;
  readonly partitions?: PartitionRule | undefined;
  readonly source: EntrySource;
  /** How many lines the source passes over: they count as done. */
  readonly skipLines: number;
  readonly ids: IdRule;
  readonly xadd: XaddOptions;
  /** The entries go into the stream's schedule, and are to be added then. */
  readonly later?: DueRule | undefined;
  /** Trim beside the adding, and never what a group still needs; then `xadd` trims nothing. */
  readonly keptTrim?: KeptTrim | undefined;
  /** With `trim: "age"`: how old an entry may get, by the server's clock. */
  readonly maxAgeMs?: number | undefined;
  /** Entries per second. */
  readonly rate?: number | undefined;
  /** An entry counts as written once so many replicas have it. */
  readonly replicas?: ReplicaRule | undefined;
  /** Wait while this group is too far behind. */
  readonly waitLag?: LagRule | undefined;
  readonly onBadLine: "stop" | "skip";
  /** Hand over the text of rejected lines, also of those that Redis rejects. */
  readonly keepRaw: boolean;
  /** Stop reading; what is in flight is waited for. */
  readonly signal: AbortSignal;
}

export interface ProduceEvents {
  /** The ID of an entry in Redis, as bytes that are only lent. */
  onId?(id: Buffer, stream: StreamKey): void;
  /** A line that is not in Redis and won't be. `raw` without its line end. */
  onRejected?(bad: BadLine, raw: Uint8Array | undefined): void;
  /** Called between batches, with the entries known to be in Redis: the place to wait for slow outputs. */
  onBatch?(inRedis: number, bytesRead: number): Promise<void>;
  /** What the run waits for with `waitLag`; undefined when it goes on. */
  onWait?(backlog: Backlog | undefined): void;
  /** The run's trimming has overtaken a group. */
  onLoss?(loss: UnreadLoss): void;
}

/** First and last line of a run of neighbouring lines. */
export type LineRange = readonly [first: number, last: number];

export interface ProduceReport {
  readonly written: number;
  readonly present: number;
  readonly rejected: number;
  readonly unknown: readonly LineRange[];
  /** Lines whose entries were written, and are not known to be on as many replicas as was asked for. */
  readonly unconfirmed: readonly LineRange[];
  /** Every line up to this one is in Redis, was rejected, or was empty. */
  readonly through: number;
  /** Lines after that which are in Redis, too. */
  readonly later: readonly LineRange[];
  readonly bytesRead: number;
  /** The whole input was dealt with. */
  readonly complete: boolean;
  readonly failure: StreamctlError | undefined;
  /** With `keptTrim`: what groups held back of it, by stream. */
  readonly holds: ReadonlyMap<StreamKey, Hold>;
  /** What went where. */
  readonly streams: readonly {
    readonly stream: StreamKey;
    readonly written: number;
    readonly present: number;
  }[];
}
