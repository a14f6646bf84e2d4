import { addDue, nextDue } from "./add-due.ts";
import { deadLetter } from "./dead-letter.ts";
import { forgetConsumer } from "./forget-consumer.ts";
import { forgetSilent } from "./forget-silent.ts";
import { ensureGroup } from "./groups.ts";
import { fateOfRetry, lossOf, mayHold, named, takenSince } from "./holders.ts";
import { consumerInfos, groupPosition } from "./info.ts";
import { keepAlive } from "./keep-alive.ts";
import { type Adder, moveOnce } from "./move.ts";
import { namesakes } from "./namesakes.ts";
import { frontsOf, nextInOrder, readInOrder, takeFronts, takeInOrder } from "./order.ts";
import { pausesOf } from "./pause.ts";
import { pendingPage, pendingTotals } from "./pending.ts";
import { putOff } from "./put-off.ts";
import { registerWorker } from "./register.ts";
import { replayNote } from "./replay-notes.ts";
import { restoreGroup } from "./restore-group.ts";
import { serverInfo } from "./server.ts";
import { showUp } from "./show-up.ts";
import { ackOwned, requeueOwned } from "./settle.ts";
import { findSuccesses, markSuccess, succeed } from "./succeed.ts";
import { takeEntries } from "./take.ts";

/** What a worker does with streams. */
const VERBS = {
  ackOwned,
  addDue,
  consumerInfos,
  deadLetter,
  ensureGroup,
  fateOfRetry,
  findSuccesses,
  forgetConsumer,
  forgetSilent,
  frontsOf,
  groupPosition,
  keepAlive,
  lossOf,
  markSuccess,
  mayHold,
  moveOnce,
  named,
  namesakes,
  nextDue,
  nextInOrder,
  pausesOf,
  pendingPage,
  pendingTotals,
  putOff,
  readInOrder,
  registerWorker,
  replayNote,
  requeueOwned,
  restoreGroup,
  serverInfo,
  showUp,
  succeed,
  takeEntries,
  takeFronts,
  takeInOrder,
  takenSince,
} as const;

type Verbs = typeof VERBS;

/** A verb whose connection is given. */
type Bound<Verb> = Verb extends (connection: never, ...args: infer Args) => infer Result
  ? (...args: Args) => Result
  : never;

/**
 * The verbs of a worker, bound to its connection: all that the worker knows of Redis, besides its blocking reads. A test
 * that is to lose the reply of its choice wraps those of a real connection.
 */
export type Streams = { readonly [Name in keyof Verbs]: Bound<Verbs[Name]> } & {
  readonly cluster: boolean;
};

export function streamsOf(connection: Adder): Streams {
  const bound = Object.entries(VERBS).map(([name, verb]) => [
    name,
    (verb as (connection: Adder, ...args: unknown[]) => unknown).bind(undefined, connection),
  ]);
  return { ...(Object.fromEntries(bound) as Streams), cluster: connection.cluster };
}
