import { ConnectionError } from "../errors.ts";
import { sleep } from "../lib/timer.ts";
import type { Connection } from "./connection.ts";
import { errorCode, translateReply } from "./errors.ts";
import { keySlot } from "./keys.ts";
import type { Adder } from "./ops/move.ts";
import type { Pipeline } from "./pipeline.ts";
import { PipelinePool } from "./pipeline-pool.ts";
import type { Confirmation } from "./replicas.ts";
import { encodeCommand, type Reply, ReplyError } from "./resp.ts";
import type { Script } from "./script.ts";
import type { Arg, Value } from "./value.ts";

/** Replies of a server that is the wrong one for this key now: the next try looks for the right one. */
const NOT_HERE = new Set(["MOVED", "ASK", "READONLY", "CLUSTERDOWN", "MASTERDOWN"]);

const REPLIES_MS = 10;

/**
 * Runs scripts over connections of their own, one per node: each is answered when what it wrote is on replicas, too.
 * Where these are too few in time it rejects as after a lost reply, because like then the script has been carried out.
 * A script that a repeat finds done writes nothing, and yet is answered no sooner than it is proven there.
 * All else goes over the run's connection: WAIT holds up what stands behind it, heartbeats among it.
 */
export class ReplicatedCaller implements Adder {
  readonly #connection: Connection;
  readonly #replicas: Confirmation;
  readonly #pool: PipelinePool;
  /** By slot; outside a cluster there is one. */
  readonly #pipelines = new Map<number, Pipeline>();
  #opening: Promise<unknown> = Promise.resolve();

  constructor(connection: Connection, replicas: Confirmation) {
    this.#connection = connection;
    this.#replicas = replicas;
    this.#pool = new PipelinePool(connection);
  }

  get cluster(): boolean {
    return this.#connection.cluster;
  }

  call(command: string, ...args: Arg[]): Promise<Value> {
    return this.#connection.call(command, ...args);
  }

  persist<T>(...args: Parameters<typeof Connection.prototype.persist<T>>): Promise<T> {
    return this.#connection.persist(...args);
  }

  pipeline(key: string): Promise<Pipeline> {
    return this.#connection.pipeline(key);
  }

  /** Resolves when what the node of `key` has now is on the replicas. */
  async prove(key: string): Promise<void> {
    await this.#replicas.prove(await this.#pipelineOf(key));
  }

  async run(script: Script, keys: readonly string[], args: readonly Arg[]): Promise<Value> {
    const key = keys[0] as string;
    const tail = [keys.length, ...keys, ...args];
    let reply = await this.#send(key, ["EVALSHA", script.sha, ...tail]);
    if (reply instanceof ReplyError && errorCode(reply.text) === "NOSCRIPT")
      reply = await this.#send(key, ["EVAL", script.lua, ...tail]);
    if (reply instanceof ReplyError) throw translateReply(reply.text, { command: script.name, key });
    return reply as Value;
  }

  async #send(key: string, command: readonly Arg[]): Promise<Reply> {
    const pipeline = await this.#pipelineOf(key);
    const answered = pipeline.request(encodeCommand(command));
    const confirmed = this.#replicas.confirm(pipeline);
    // What becomes of it counts after the reply.
    confirmed.catch(() => {});
    const reply = await answered;
    if (reply instanceof ReplyError) {
      if (NOT_HERE.has(errorCode(reply.text))) this.#leave(this.#slotOf(key), pipeline);
      return reply;
    }
    await confirmed;
    if (!hasWritten(reply)) await this.#replicas.prove(pipeline);
    return reply;
  }

  #slotOf(key: string): number {
    return this.cluster ? keySlot(key) : 0;
  }

  /** The pool's calls come one after the other. */
  #pipelineOf(key: string): Promise<Pipeline> {
    const slot = this.#slotOf(key);
    const known = this.#known(slot);
    if (known) return Promise.resolve(known);
    const opened = this.#opening.then(async () => {
      const meanwhile = this.#known(slot);
      if (meanwhile) return meanwhile;
      // After a failover, where the primary is now is known when this connection has found it.
      if (!this.#connection.ready) throw new ConnectionError(`not connected to ${this.#connection.target}`);
      const pipeline = await this.#pool.take(key);
      this.#pipelines.set(slot, pipeline);
      return pipeline;
    });
    this.#opening = opened.catch(() => {});
    return opened;
  }

  #known(slot: number): Pipeline | undefined {
    const pipeline = this.#pipelines.get(slot);
    if (!pipeline) return undefined;
    const old = this.#connection.failingOver(pipeline.peer);
    if (pipeline.alive && !old) return pipeline;
    // The replies of a master that is being replaced are near: closing would lose them.
    if (pipeline.alive && pipeline.inFlight > 0)
      throw new ConnectionError(`not connected to ${this.#connection.target}: a failover is under way`);
    this.#leave(slot, pipeline);
    return undefined;
  }

  /** What is on its way there is let come: also of a step that was carried out before the slot moved away. */
  #leave(slot: number, pipeline: Pipeline): void {
    if (this.#pipelines.get(slot) !== pipeline) return;
    this.#pipelines.delete(slot);
    void (async () => {
      while (pipeline.alive && pipeline.inFlight > 0) await sleep(REPLIES_MS);
      this.#pool.release(pipeline);
    })();
  }
}

/**
 * Whether the script has changed something, and so has moved on what WAIT goes by for its connection: one that found
 * nothing to do answers with 0 or less, or with a list of that.
 */
function hasWritten(reply: Reply): boolean {
  if (Array.isArray(reply)) return reply.some(hasWritten);
  return typeof reply === "number" ? reply > 0 : typeof reply === "string" || Buffer.isBuffer(reply);
}
