import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import type { Pipeline } from "../../redis/pipeline.ts";
import { addEncoded, probeAdd } from "../../redis/ops/add.ts";
import type { Reply } from "../../redis/resp.ts";
import type { EntryEncoder } from "../../redis/ops/encoder.ts";
import type { PipelinePool } from "../../redis/pipeline-pool.ts";

const REPLIES_MS = 10;

/** The way to wherever one stream can be written now. */
export class Route {
  readonly #connection: Connection;
  readonly #pipelines: PipelinePool;
  readonly #key: string;
  readonly #encoder: EntryEncoder;
  #pipeline: Pipeline | undefined;

  constructor(connection: Connection, pipelines: PipelinePool, key: string, encoder: EntryEncoder) {
    this.#connection = connection;
    this.#pipelines = pipelines;
    this.#key = key;
    this.#encoder = encoder;
  }

  get target(): string {
    return this.#connection.target;
  }

  /** Whether a server may be a replica only because a failover is under way. */
  get hasReplicas(): boolean {
    return this.#connection.settings.mode !== "standalone";
  }

  /** One encoded entry over the control connection, which follows redirections. */
  addOne(command: Buffer): Promise<Reply> {
    return addEncoded(this.#connection, command);
  }

  /** Connects, so that what prevents it shows before any input is read. Throws ConnectionError. */
  async open(): Promise<void> {
    this.#pipeline = await this.#connection.persist(() => this.#pipelines.take(this.#key));
  }

  /** The pipeline, made anew when it has died. Throws ConnectionError after connectTimeoutMs. */
  async live(): Promise<Pipeline> {
    const pipeline = this.#pipeline;
    if (!pipeline?.alive) return this.renew();
    if (!this.#connection.failingOver(pipeline.peer)) return pipeline;
    // What the old master has taken so far counts; its replies are near.
    while (pipeline.alive && pipeline.inFlight > 0) await sleep(REPLIES_MS);
    return this.renew();
  }

  /** A new pipeline, after a probe: that learns where the slot is, and whether it can be written to. */
  async renew(): Promise<Pipeline> {
    this.close();
    this.#pipeline = await this.#connection.persist(async () => {
      await this.probe();
      return this.#pipelines.take(this.#key);
    });
    return this.#pipeline;
  }

  /** Fails as adding an entry with these options would fail now. */
  probe(): Promise<void> {
    return probeAdd(this.#connection, this.#encoder);
  }

  close(): void {
    if (this.#pipeline) this.#pipelines.release(this.#pipeline);
    this.#pipeline = undefined;
  }
}
