import { UsageError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { siblingPrefix } from "../../redis/keys.ts";
import type { Batch } from "./batch.ts";
import type { EntryEncoder } from "../../redis/ops/encoder.ts";
import { afterLoss, type IdRule } from "./ids.ts";
import { KeyedEncoder } from "../../redis/ops/add-keyed.ts";
import type { PipelinePool } from "../../redis/pipeline-pool.ts";
import { Route } from "./route.ts";
import { Sender } from "./sender.ts";
import type { BadLine } from "../../entry/sources/source.ts";
import type { Transfer } from "./transfer.ts";
import { XaddEncoder, type XaddOptions } from "../../redis/ops/add.ts";

interface PartitionOptions {
  readonly key: string;
  readonly connection: Connection;
  readonly pipelines: PipelinePool;
  readonly transfer: Transfer;
  readonly ids: IdRule;
  readonly xadd: XaddOptions;
  readonly onId: ((id: Buffer) => void) | undefined;
  readonly onRejected: (bad: BadLine, raw: Uint8Array | undefined) => void;
}

/** One stream of a run, and the batch that is being filled for it. A run without partitions has one. */
export class Partition {
  readonly key: string;
  readonly encoder: EntryEncoder;
  readonly route: Route;
  readonly sender: Sender;
  readonly #transfer: Transfer;
  /** What is to be sent next. */
  batch: Batch;

  /** Throws UsageError for a name that allows no markers. */
  constructor(options: PartitionOptions) {
    const { key, connection, pipelines, transfer, ids } = options;
    this.key = key;
    this.encoder = makeEncoder(options);
    this.route = new Route(connection, pipelines, key, this.encoder);
    this.sender = new Sender({
      ...options,
      encoder: this.encoder,
      route: this.route,
      afterLoss: afterLoss(ids),
      knownForMs: ids.kind === "keyed" ? ids.ttlMs : Number.POSITIVE_INFINITY,
    });
    this.#transfer = transfer;
    this.batch = transfer.batch();
  }

  get full(): boolean {
    return this.batch.length >= this.#transfer.batchBytes;
  }

  /** Sends what the batch holds. */
  async flush(): Promise<void> {
    if (this.batch.count === 0) return;
    const { batch } = this;
    this.batch = this.#transfer.batch();
    await this.sender.send(batch);
  }
}

function makeEncoder({ key, xadd, ids, connection }: PartitionOptions): EntryEncoder {
  if (ids.kind !== "keyed") return new XaddEncoder(key, xadd);
  const markerPrefix = siblingPrefix(key, ":produced:", connection.cluster);
  if (markerPrefix === undefined) {
    throw new UsageError(`no other key can share the slot of ${key}, as --idempotency-key needs`, {
      hint: "name the stream without braces, or with one {tag}",
    });
  }
  return new KeyedEncoder({ key, xadd, markerPrefix, field: ids.field, ttlMs: ids.ttlMs });
}
