import { LinkWatch } from "../../lib/link-watch.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import type { Connection } from "../../redis/connection.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Handler } from "../handlers/handler.ts";
import { ScheduleAdder } from "../schedule/adder.ts";
import type { Roster } from "../roster.ts";
import { Continuities, Restorer } from "./restore.ts";
import { SameKeys } from "./dedupe.ts";
import { Dispatcher } from "./dispatch.ts";
import { Recoverer } from "./recover.ts";
import { PendingSweep } from "./sweep.ts";
import { EarlierRun, SilentConsumers } from "./left-behind.ts";
import type { WorkerEvents } from "./events.ts";
import { Fetcher } from "./fetch.ts";
import { GracePeriod } from "./heartbeat.ts";
import { GroupState } from "../group-reader/group-state.ts";
import { Groups } from "./groups.ts";
import { IterationWatchdog, VerdictWatch } from "./health.ts";
import { InFlight } from "./in-flight.ts";
import { OrderBy } from "./order-by.ts";
import { OutageGuard } from "./judge.ts";
import { Ownership } from "./ownership.ts";
import { Pacer } from "../../lib/rate.ts";
import { ReadAhead } from "./read-ahead.ts";
import { Registration } from "./registration.ts";
import { Retries } from "./retries.ts";
import { Runner } from "./run.ts";
import { Settler } from "./settle.ts";
import type { WorkerObserver, WorkerSettings } from "./types.ts";
import { Unordered } from "./ordering.ts";

export interface WorkerParts {
  readonly connection: Connection;
  /** The verbs of that connection. */
  readonly streams: Streams;
  /** Those that settle, where these are not answered before replicas have what they wrote. */
  readonly settling?: Streams | undefined;
  readonly reader: BlockingReader;
  readonly settings: WorkerSettings;
  /** What changes `settings.streams`, where patterns do. */
  readonly roster?: Roster | undefined;
  readonly handler: Handler;
  readonly observer: WorkerObserver;
  /** First signal: stop cleanly. */
  readonly stop: AbortSignal;
  /** Second signal: end the handlers. */
  readonly kill: AbortSignal;
}

/** What a worker is made of. Each role knows only those that were made before it. */
export type Roles = ReturnType<typeof makeRoles>;

/** `ending`: aborted when nothing is to be begun any more. */
export function makeRoles(parts: WorkerParts, events: WorkerEvents, ending: AbortSignal) {
  const { connection, streams, reader, settings, handler } = parts;
  const base = { streams, settings, events, ending, handler, connection };

  const groupState: GroupState = new GroupState({
    from: settings,
    group: settings.group,
    ask: (group, asked) => streams.pausesOf(group, asked),
    notice: (level, message) => events.notice(level, message),
    onChange: () => events.groupChanged(groupState.paused > 0),
  });
  const inFlight = new InFlight(handler, !settings.consumerIsUnique);
  const retries = new Retries(settings, inFlight);
  const sweep = new PendingSweep(streams, settings, inFlight, retries);
  const silent = new SilentConsumers(streams, settings, events);
  const found = { ...base, groupState, inFlight, retries, sweep, silent };
  const ordering =
    settings.orderBy === undefined ? new Unordered(found) : new OrderBy(settings.orderBy, found);

  const earlier = new EarlierRun(streams, settings, events, ordering);

  const groups = new Groups(streams, connection, settings, events, parts.roster);
  const continuities = new Continuities();
  const restorer = new Restorer({ ...found, groups, ordering, continuities });
  const ownership = new Ownership({ ...found, continuities, restorer });

  const grace = new GracePeriod(settings.claimIdleMs);
  const owned = { ...found, ordering, earlier, groups, restorer, ownership, grace };
  const fetcher = new Fetcher(reader, groupState, connection.cluster, ordering);
  const recoverer = new Recoverer(owned);

  const link = new LinkWatch(events);
  const verdicts = new VerdictWatch(events, link);
  const readAhead = new ReadAhead(handler, settings.ahead, settings.dedupe === undefined ? 1 : 2);
  const settler = new Settler({ ...owned, streams: parts.settling ?? streams, watch: verdicts, readAhead });
  const guard = new OutageGuard(settings.pauseAfter, settings.retry, events);
  const sameKeys = new SameKeys(settings, inFlight);
  const pacer = new Pacer(settings.ratePerSecond);
  const runner = new Runner({ ...owned, guard, settler, readAhead, sameKeys, pacer });
  const dispatcher = new Dispatcher({
    ...owned,
    fetcher,
    recoverer,
    guard,
    pacer,
    runner,
    sameKeys,
    readAhead,
    settler,
  });

  const scheduled = new ScheduleAdder({
    ...base,
    refused: (stream) =>
      events.notice("info", `${stream}: what is scheduled is left to others: this user has no right to it`),
  });

  const registration = new Registration({ ...base, inFlight });
  const watchdog = new IterationWatchdog();
  return {
    ...owned,
    fetcher,
    recoverer,
    link,
    verdicts,
    settler,
    guard,
    runner,
    readAhead,
    dispatcher,
    registration,
    scheduled,
    watchdog,
  };
}
