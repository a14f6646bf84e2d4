import { stat } from "node:fs/promises";
import type { Redis } from "ioredis";
import { nextId } from "../../../src/entry/id.ts";
import { pendingIn } from "../worker.ts";
import { KEYS } from "./manners.ts";
import { pause } from "./seat.ts";
import type { Task } from "./tasks.ts";

export const STREAM = "orders";
/** Nothing at all happens for so long: then somebody is stuck. */
const STUCK_AFTER_MS = 90_000;

export function keyOf(id: string): string {
  return `k${Number(id.split("-")[0]) % KEYS}`;
}

export interface Producing {
  readonly finished: boolean;
  readonly done: Promise<void>;
}

/** Adds the entries in portions, so that the workers now wait for entries and now have plenty. */
export function produce(
  redis: Redis,
  entries: readonly (readonly [string, Task])[],
  watch: Progress,
): Producing {
  const portion = Math.max(20, Math.ceil(entries.length / 40));
  let finished = false;
  const work = async (): Promise<void> => {
    for (let at = 0; at < entries.length && !watch.stuck; at += portion) {
      while (!watch.stuck && (await watch.undelivered()) > portion) await pause(100);
      for (const [id, task] of entries.slice(at, at + portion)) await addOnce(redis, id, task);
    }
    finished = true;
  };
  const done = work();
  return {
    done,
    get finished() {
      return finished;
    },
  };
}

/** An ID of one's own makes it safe to send again what may have arrived. */
async function addOnce(redis: Redis, id: string, task: Task): Promise<void> {
  await redis.xadd(STREAM, id, "task", task, "n", id, "key", keyOf(id)).catch((error: Error) => {
    if (!error.message.includes("equal or smaller")) throw error;
  });
}

/** Looks at how far the workers are. */
export class Progress {
  readonly #redis: Redis;
  readonly #notesFile: string;
  #seen = "";
  #seenAt = Date.now();

  constructor(redis: Redis, notesFile: string) {
    this.#redis = redis;
    this.#notesFile = notesFile;
  }

  get stuck(): boolean {
    return Date.now() - this.#seenAt > STUCK_AFTER_MS;
  }

  async undelivered(): Promise<number> {
    const [group] = (await this.#redis.xinfo("GROUPS", STREAM)) as (string | number)[][];
    // Destroyed, and not yet made again.
    if (!group) return 1;
    const position = String(group[group.indexOf("last-delivered-id") + 1]);
    // Redis 6.0 knows no ranges that leave out their start.
    const count = (await this.#redis.xrange(STREAM, nextId(position) ?? position, "+")).length;
    await this.#note(position, count);
    return count;
  }

  /** Undelivered and pending. */
  async unsettled(): Promise<number> {
    const pending = await pendingIn(this.#redis, STREAM).catch((error: Error) => {
      if (!error.message.startsWith("NOGROUP")) throw error;
      return 1;
    });
    return pending + (await this.undelivered());
  }

  async #note(position: string, undelivered: number): Promise<void> {
    const size = await stat(this.#notesFile).then(
      (file) => file.size,
      () => 0,
    );
    const seen = `${position} ${undelivered} ${size}`;
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#seenAt = Date.now();
  }
}
