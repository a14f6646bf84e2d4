import type { EntryId } from "../../src/entry/id.ts";
import type { Job } from "../../src/engine/handlers/handler.ts";
import type { Outcome } from "../../src/engine/handlers/outcome.ts";
import { WorkerEvents } from "../../src/engine/worker/events.ts";
import { makeRoles, type Roles } from "../../src/engine/worker/roles.ts";
import type { Delivery, Verdict, WorkerObserver, WorkerSettings } from "../../src/engine/worker/types.ts";
import { type StreamKey, groupName, streamKey } from "../../src/entry/names.ts";
import { type Streams, streamsOf } from "../../src/redis/ops/streams.ts";
import { openConnection } from "./connection.ts";
import { until } from "./redis.ts";

export const SILENT: WorkerObserver = {
  ran() {},
  settled() {},
  lost() {},
  missing() {},
  takenOver() {},
  scheduled() {},
  joined() {},
  notice() {},
};

/** A worker of group g that has made its consumer's name up, with long times. */
export function settingsFor(stream: StreamKey, more: Partial<WorkerSettings>): WorkerSettings {
  return {
    streams: [stream],
    group: groupName("g"),
    consumer: "c",
    consumerIsUnique: true,
    ahead: 0,
    claimIdleMs: 60_000,
    retry: { maxDeliveries: 5, delayMs: 10, maxDelayMs: 10, deadOn: new Set([65]), retryOn: new Set() },
    shutdownTimeoutMs: 5_000,
    killAfterMs: 1_000,
    deleteAcked: false,
    createAt: { kind: "after", id: "0-0" as EntryId },
    dlqKey: (key) => streamKey(`${key}:dlq`),
    ends: { untilEmpty: true },
    ...more,
  };
}

export interface TestRoles extends Roles {
  readonly runs: readonly Job[];
  /** What was settled, as `ID verdict`; what was lost, as `ID lost`. */
  readonly ends: readonly string[];
  readonly ending: AbortSignal;
  readonly end: () => void;
  /** One turn of the worker's loop, and the end of all that it begins. */
  readonly turn: () => Promise<void>;
}

/** The roles of a worker without its loop and its heart, on a real server; each run ends with `code`. */
export async function rolesFor(
  settings: WorkerSettings,
  { code = 0, wrap = (streams) => streams }: { code?: number; wrap?: (streams: Streams) => Streams } = {},
): Promise<TestRoles> {
  const connection = await openConnection();
  const stop = new AbortController();
  const runs: Job[] = [];
  const ends: string[] = [];
  const observer: WorkerObserver = {
    ...SILENT,
    settled: ({ entry }: Delivery, { kind }: Verdict) => void ends.push(`${entry.id} ${kind}`),
    lost: ({ entry }: Delivery) => void ends.push(`${entry.id} lost`),
  };
  const parts = {
    connection,
    streams: wrap(streamsOf(connection)),
    reader: await connection.reader(),
    settings,
    handler: {
      batch: { size: 1, waitMs: 0 },
      slots: 4,
      run: async (jobs: readonly Job[]) => {
        runs.push(...jobs);
        return jobs.map((): Outcome => ({ kind: "exit", code, stderr: Buffer.alloc(0) }));
      },
      killAll: async () => {},
      close: async () => {},
    },
    observer,
    stop: stop.signal,
    kill: stop.signal,
  };
  const events = new WorkerEvents(observer, settings.ends, {
    failed: (error) => {
      throw error;
    },
    came: (deliveries, askedAt) => roles.dispatcher.admit(deliveries, askedAt),
    groupChanged: async () => {},
  });
  const roles = makeRoles(parts, events, stop.signal);
  await roles.groups.prepare();
  return {
    ...roles,
    runs,
    ends,
    ending: stop.signal,
    end: () => stop.abort(),
    turn: async () => {
      await roles.dispatcher.turn(roles.inFlight.free);
      await until("all is settled", () => roles.inFlight.count === 0);
    },
  };
}
