import type { StreamKey } from "../../entry/names.ts";
import { errorText, ServerError } from "../../errors.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Handler } from "../handlers/handler.ts";
import { type RetrySettings, takeAfterMs } from "./retries.ts";
import type { WorkerEvents } from "./events.ts";
import type { InFlight } from "./in-flight.ts";
import type { Ordering } from "./ordering.ts";
import type { Settler } from "./settle.ts";
import type { SilentConsumers } from "./left-behind.ts";
import { formatCount } from "../../units.ts";
import type { PendingSweep } from "./sweep.ts";
import type { WorkerSettings } from "./types.ts";

/** How long verdicts may take to be delivered once every handler has ended. */
const DRAIN_MS = 10_000;
/** After a second signal, handlers get this long between TERM and KILL. */
const HURRY_MS = 500;

export interface ShutdownParts {
  readonly streams: Streams;
  readonly settings: Member &
    RetrySettings &
    Pick<WorkerSettings, "streams" | "shutdownTimeoutMs" | "killAfterMs">;
  readonly handler: Handler;
  readonly events: WorkerEvents;
  readonly kill: AbortSignal;
  readonly inFlight: InFlight;
  readonly settler: Settler;
  readonly sweep: PendingSweep;
  readonly silent: SilentConsumers;
  /** What the last verdicts set going may bring entries to hand back. */
  readonly ordering: Ordering;
}

/**
 * The order of stopping, once nothing is read any more: handlers finish, or are ended when their time is
 * up → verdicts are delivered → what got lost on the way here is handed back → the consumer goes if it
 * holds nothing. The heartbeat goes on until all that is done.
 */
export async function shutDown(parts: ShutdownParts): Promise<void> {
  const { settings, handler, kill, inFlight, settler, events } = parts;
  const { shutdownTimeoutMs, killAfterMs } = settings;
  if (!(await within(shutdownTimeoutMs, inFlight, () => inFlight.running === 0, kill))) {
    await handler.killAll(kill.aborted ? Math.min(HURRY_MS, killAfterMs) : killAfterMs);
  }
  const moves = parts.ordering.underWay;
  do {
    await Promise.all(moves);
    await within(DRAIN_MS, inFlight, () => inFlight.count === 0, kill.aborted ? undefined : kill);
  } while (moves.size > 0);
  if (inFlight.count > 0) {
    events.notice(
      "warn",
      `${formatCount(inFlight.count, "entry stays", "entries stay")} pending: verdicts could not be delivered`,
    );
    settler.giveUp();
  }
  await handler.close();
  for (const stream of settings.streams) {
    await parts.silent.look(stream);
    await leaveGroup(parts, stream);
  }
}

async function leaveGroup(
  { streams, settings, events, sweep }: ShutdownParts,
  stream: StreamKey,
): Promise<void> {
  const { group, claimIdleMs, retry } = settings;
  try {
    if (settings.consumerIsUnique) {
      for (const { id, deliveries } of await sweep.strays(stream)) {
        const count = deliveries - 1;
        const idleMs = takeAfterMs(count, claimIdleMs, retry);
        const left = { idleMs, deliveries: count, waitMs: 0 };
        await streams.requeueOwned(stream, settings, { id, fence: deliveries }, left);
      }
    }
    await streams.forgetConsumer(stream, settings);
  } catch (error) {
    // The group has gone, or never was: there is nothing to leave.
    if (error instanceof ServerError && error.kind === "notFound") return;
    events.notice("detail", `could not leave group ${group} on ${stream}: ${errorText(error)}`);
  }
}

/** Waits until `done`, for no longer than `ms` and not past the signal. */
async function within(
  ms: number,
  inFlight: InFlight,
  done: () => boolean,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + ms;
  const never = new AbortController().signal;
  while (!done()) {
    const left = deadline - performance.now();
    if (left <= 0 || signal?.aborted) break;
    await inFlight.changed(signal ?? never, left);
  }
  return done();
}
