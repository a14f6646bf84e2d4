import { ConnectionError, ServerError, StreamctlError } from "../errors.ts";
import { formatCount } from "../units.ts";
import type { Connection } from "./connection.ts";
import { translateReply } from "./errors.ts";
import type { Pipeline } from "./pipeline.ts";
import { encodeCommand, type Reply, ReplyError } from "./resp.ts";
import { asText, type Value } from "./value.ts";

/** The longest that one WAIT holds its connection: what is sent behind it waits, too. */
const WAIT_MS = 500;
/** So many replicas no server has: WAIT then asks all of them how far they are, and returns when its time is up. */
const ALL_REPLICAS = 1_000_000;
const ASK_MS = 10;

/** What `--wait-replicas` asks for. */
export interface ReplicaRule {
  readonly count: number;
  /** How long they may take. */
  readonly limitMs: number;
}

/** The write was carried out, and is not known to be on as many replicas as were asked for. */
export class TooFewReplicas extends ConnectionError {
  constructor(there: number, { count, limitMs }: ReplicaRule) {
    super(`${there} of ${count} replicas confirmed within ${limitMs} ms`, { sent: true });
    this.name = "TooFewReplicas";
  }
}

/** Both methods reject with TooFewReplicas, and with what became of the connection. */
export interface Confirmation {
  /** Resolves when all that was sent over the pipeline so far, and changed something, is on the replicas. */
  confirm(pipeline: Pipeline): Promise<void>;
  /** The same for what was found there, written over another connection: WAIT knows only its own's writes. */
  prove(pipeline: Pipeline): Promise<void>;
}

/**
 * Waits for replicas, for what is sent over pipelines. WAIT is of one connection: it counts the replicas that have what
 * was written over that connection before. There is one on its way for each pipeline, behind all that was sent; what
 * is sent meanwhile is covered by the next one, so none costs a round trip of its own.
 */
export class Replicas implements Confirmation {
  readonly #rule: ReplicaRule;
  readonly #waitMs: number;
  readonly #queues = new WeakMap<Pipeline, WaitQueue>();

  /** `silenceMs`: with nothing coming for so long a pipeline counts as dead; 0: never. */
  constructor(rule: ReplicaRule, silenceMs: number) {
    this.#rule = rule;
    this.#waitMs = Math.ceil(silenceMs > 0 ? Math.min(WAIT_MS, silenceMs / 3) : WAIT_MS);
  }

  confirm(pipeline: Pipeline): Promise<void> {
    let queue = this.#queues.get(pipeline);
    if (!queue) {
      queue = new WaitQueue(pipeline, this.#rule, this.#waitMs);
      this.#queues.set(pipeline, queue);
    }
    return queue.add();
  }

  async prove(pipeline: Pipeline): Promise<void> {
    const { count, limitMs } = this.#rule;
    const deadline = performance.now() + limitMs;
    const { offset } = await replicationOf(pipeline);
    for (;;) {
      wordOf(await pipeline.request(encodeCommand(["WAIT", ALL_REPLICAS, ASK_MS])));
      const { replicas } = await replicationOf(pipeline);
      const there = replicas.filter((confirmed) => confirmed >= offset).length;
      if (there >= count) return;
      if (performance.now() >= deadline) throw new TooFewReplicas(there, this.#rule);
    }
  }
}

interface Waiting {
  readonly deadline: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The WAITs of one pipeline, one at a time. */
class WaitQueue {
  readonly #pipeline: Pipeline;
  readonly #rule: ReplicaRule;
  readonly #command: Buffer;
  /** Those that the next WAIT is for. */
  #waiting: Waiting[] = [];
  #asking = false;

  constructor(pipeline: Pipeline, rule: ReplicaRule, waitMs: number) {
    this.#pipeline = pipeline;
    this.#rule = rule;
    this.#command = encodeCommand(["WAIT", rule.count, waitMs]);
  }

  add(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ deadline: performance.now() + this.#rule.limitMs, resolve, reject });
      this.#ask();
    });
  }

  #ask(): void {
    if (this.#asking || this.#waiting.length === 0) return;
    const asked = this.#waiting;
    this.#waiting = [];
    this.#asking = true;
    const answered = (reply: Reply): void => {
      this.#asking = false;
      this.#answered(asked, reply);
      this.#ask();
    };
    const lost = (error: ConnectionError): void => {
      this.#asking = false;
      for (const { reject } of [...asked, ...this.#waiting.splice(0)]) reject(error);
    };
    this.#pipeline.send(this.#command, 1, answered, lost);
  }

  #answered(asked: readonly Waiting[], reply: Reply): void {
    const there = typeof reply === "number" ? reply : 0;
    const now = performance.now();
    const early: Waiting[] = [];
    for (const one of asked) {
      if (typeof reply !== "number") one.reject(refusal(reply));
      else if (there >= this.#rule.count) one.resolve();
      else if (now >= one.deadline) one.reject(new TooFewReplicas(there, this.#rule));
      else early.push(one);
    }
    this.#waiting.unshift(...early);
  }
}

/** A server that becomes a replica ends the wait: what was written before is not known to be anywhere else. */
function refusal(reply: Reply): StreamctlError {
  if (!(reply instanceof ReplyError)) throw new TypeError("unexpected reply to WAIT");
  const error = translateReply(reply.text, { command: "WAIT" });
  if (error.code !== "UNBLOCKED" && !/replica instances/.test(reply.text)) return error;
  return new ConnectionError("the server became a replica meanwhile", { sent: true, cause: error });
}

function wordOf(reply: Reply): Value {
  if (reply instanceof ReplyError) throw refusal(reply);
  return reply as Value;
}

interface Replication {
  /** How much the primary has written. */
  readonly offset: number;
  /** What each replica that follows it is known to have of that. */
  readonly replicas: readonly number[];
}

async function replicationOf(pipeline: Pipeline): Promise<Replication> {
  const reply = await pipeline.request(encodeCommand(["INFO", "replication"]));
  if (reply instanceof ReplyError) throw translateReply(reply.text, { command: "INFO" });
  return decodeReplication(asText(reply as Value));
}

/** The text of INFO replication. */
function decodeReplication(text: string): Replication {
  const offset = Number(/^master_repl_offset:(\d+)/m.exec(text)?.[1] ?? Number.NaN);
  const replicas = [...text.matchAll(/^slave\d+:.*\bstate=online\b.*\boffset=(\d+)/gm)];
  return { offset, replicas: replicas.map(([, confirmed]) => Number(confirmed)) };
}

/**
 * Fails when a server that is written to has fewer replicas than are to confirm, after waiting for them as long as for a
 * connection: behind a failover they come one by one. In a cluster each primary must have them.
 */
export async function mustHaveReplicas(connection: Connection, count: number): Promise<void> {
  const look = async (): Promise<void> => {
    for (const { address, call } of await connection.primaries()) {
      const { replicas } = decodeReplication(asText(await call("INFO", "replication")));
      await call("WAIT", 0, 1);
      if (replicas.length < count) throw new Missing(address ?? connection.target, replicas.length);
    }
  };
  try {
    await connection.persist(look);
  } catch (error) {
    if (error instanceof Missing) {
      const has = error.there === 0 ? "no replicas" : formatCount(error.there, "replica", "replicas");
      throw new StreamctlError("failed", `--wait-replicas ${count}, and ${error.server} has ${has}`, {
        hint: "see `INFO replication` there; without --wait-replicas nothing waits for them",
      });
    }
    if (error instanceof ServerError && /^-?ERR unknown command/.test(error.reply))
      throw new StreamctlError("failed", "--wait-replicas: this server does not know WAIT", { cause: error });
    throw error;
  }
}

class Missing extends ConnectionError {
  readonly server: string;
  readonly there: number;

  constructor(server: string, there: number) {
    super(`${server} has ${there} replicas`);
    this.server = server;
    this.there = there;
  }
}
