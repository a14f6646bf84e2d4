import type { Connection } from "./connection.ts";
import type { Pipeline } from "./pipeline.ts";

/**
 * Pipelines shared by the streams of one run: one per node of a cluster, outside of one a single pipeline. A
 * pipeline is closed when the last stream has let go of it, because others may still wait for its replies.
 * Calls come one after the other.
 */
export class PipelinePool {
  readonly #connection: Connection;
  /** The pipeline to hand out, by node. */
  readonly #current = new Map<string, Pipeline>();
  readonly #holders = new Map<Pipeline, number>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** A pipeline to the node that holds `key`, to be given back with `release`. Throws ConnectionError. */
  async take(key: string): Promise<Pipeline> {
    const pipeline = (await this.#known(key)) ?? (await this.#open(key));
    this.#holders.set(pipeline, (this.#holders.get(pipeline) ?? 0) + 1);
    return pipeline;
  }

  /** Nobody else gets this pipeline any more: whoever lets go of one has found it wanting. */
  release(pipeline: Pipeline): void {
    if (this.#current.get(pipeline.node) === pipeline) this.#current.delete(pipeline.node);
    const left = (this.#holders.get(pipeline) ?? 1) - 1;
    if (left > 0) {
      this.#holders.set(pipeline, left);
      return;
    }
    this.#holders.delete(pipeline);
    pipeline.close();
  }

  async #known(key: string): Promise<Pipeline | undefined> {
    if (this.#current.size === 0) return undefined;
    const pipeline = this.#current.get(await this.#connection.nodeOf(key));
    return pipeline?.alive ? pipeline : undefined;
  }

  async #open(key: string): Promise<Pipeline> {
    const pipeline = await this.#connection.pipeline(key);
    this.#current.set(pipeline.node, pipeline);
    return pipeline;
  }
}
