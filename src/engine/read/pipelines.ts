import { ConnectionError, errorText, ServerError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import type { Connection } from "../../redis/connection.ts";
import { isTransient } from "../../redis/errors.ts";
import { learnOwners } from "../../redis/ops/info.ts";
import { type Pipeline, ReplyTooLarge } from "../../redis/pipeline.ts";
import { wakeUntil } from "../group-reader/ends.ts";

/** Told once when the link is lost and once when it is back, however many attempts lie between. */
export interface LinkListener {
  lost(reason: string): void;
  back(): void;
}

/** An outage shows as a pause: within the budget reading goes on, after it the error says why. */
export const SILENT: LinkListener = { lost() {}, back() {} };

export interface PipelinesOptions {
  readonly signal: AbortSignal;
  readonly link: LinkListener;
  /** How long to try to get the link back; Infinity for readers that outlive any outage. */
  readonly budgetMs: number;
  /**
   * A page was larger than MAX_PAGE_BYTES, or was lost on its way: the next session is to ask for fewer
   * entries.
   */
  readonly askForLess: () => void;
}

/**
 * Entries may be of any size, and a page is sized after those before it. One that turns out larger than
 * this is not taken in: the reader starts anew and asks for less.
 */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

/**
 * Sets the bound for the replies to come, of which so many are under way; of a single entry there is no less to ask
 * for. Several together get twice the room of one.
 */
export function boundReply(pipeline: Pipeline, count: number, underWay = 1): void {
  pipeline.maxReplyBytes = count > 1 ? MAX_PAGE_BYTES / Math.min(underWay, 4) : Infinity;
}

/**
 * Runs `session` on pipelines of its own, one for each slot, whose `keys` say where that is, and again on new ones
 * whenever the link is lost. A session calls `alive` when a reply has come, goes on where the last one stopped, and ends the
 * whole by returning. When the signal aborts during an outage, the generator ends.
 */
export async function* onPipelines<T>(
  connection: Connection,
  keys: ReadonlyMap<number, string>,
  { signal, link, budgetMs, askForLess }: PipelinesOptions,
  session: (pipelines: ReadonlyMap<number, Pipeline>, alive: () => void) => AsyncGenerator<T>,
): AsyncGenerator<T> {
  let lostAt: number | undefined;
  let attempt = 0;
  const alive = (): void => {
    if (lostAt === undefined) return;
    lostAt = undefined;
    attempt = 0;
    link.back();
  };
  while (!signal.aborted) {
    const pipelines = new Map<number, Pipeline>();
    try {
      for (const [slot, key] of keys) pipelines.set(slot, await connection.pipeline(key));
      yield* session(pipelines, alive);
      return;
    } catch (error) {
      if (signal.aborted && isTransient(error)) return;
      if (!isTransient(error)) throw error;
      if (error instanceof ConnectionError && error.sent) askForLess();
      if (error instanceof ReplyTooLarge) continue;
      if (lostAt === undefined) {
        lostAt = performance.now();
        link.lost(errorText(error));
      } else if (performance.now() - lostAt > budgetMs) throw error;
      await learnNewOwner(connection, [...keys.values()], error);
    } finally {
      for (const pipeline of pipelines.values()) pipeline.close();
    }
    await sleep(reconnectDelayMs(attempt++), signal);
  }
}

/**
 * A pipeline follows no redirections. A command that does makes the connection learn where the slots are now.
 */
async function learnNewOwner(connection: Connection, keys: readonly string[], error: unknown): Promise<void> {
  if (!(error instanceof ServerError) || !/^(MOVED|ASK)$/.test(error.code)) return;
  await learnOwners(connection, keys);
}

export interface WakeRules {
  readonly signal: AbortSignal;
  /** Whether the reads take entries: then their replies must still come. */
  readonly takes: boolean;
  /** How long a read waits. */
  readonly mostMs: number;
}

/** `wake`: ends a read that waits and takes entries. `done`: nothing is read any more. */
export interface Waking {
  readonly wake: () => Promise<unknown>;
  readonly done: () => void;
}

/**
 * When the signal aborts, ends the read that waits: one that takes nothing by closing its pipeline, one that takes
 * entries by CLIENT UNBLOCK. Who may not do that, waits the block out. Resolves when a read may be sent.
 */
export async function wakeAtStop(
  connection: Connection,
  pipelines: ReadonlyMap<number, Pipeline>,
  { signal, takes, mostMs }: WakeRules,
): Promise<Waking> {
  const all = [...pipelines.values()];
  const ids = takes ? await Promise.all(all.map((pipeline) => pipeline.clientId())) : [];
  const wake = (): Promise<unknown> =>
    Promise.all(
      all.map(async (pipeline, i) => {
        const id = ids[i];
        if (id !== undefined) await connection.unblock(id, pipeline);
      }),
    );
  const ended = new AbortController();
  const onStop = (): void => {
    if (takes) void wakeUntil(ended.signal, mostMs, wake);
    else for (const pipeline of all) pipeline.close();
  };
  signal.addEventListener("abort", onStop, { once: true });
  const done = (): void => {
    ended.abort();
    signal.removeEventListener("abort", onStop);
  };
  return { wake, done };
}
