import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { forgetEmpty as forgetSome } from "../../redis/ops/forget-empty.ts";
import { consumerInfos } from "../../redis/ops/info.ts";
import { writeOnce } from "../write-once.ts";
import type { ForgottenConsumer } from "./forget.ts";
import { onStream } from "./missing.ts";

export interface EmptyRule {
  readonly stream: StreamKey;
  readonly group: GroupName;
  /** Not heard of for at least so long. */
  readonly idleMs: number;
}

/** One step removes so many consumers: the server is held up for some ms at most. */
const AT_ONCE = 500;

/** How many consumers hold nothing and were not heard of for that long. Exit 4 without stream or group. */
export async function countEmpty(
  connection: Connection,
  { stream, group, idleMs: least }: EmptyRule,
): Promise<number> {
  const infos = await onStream(connection, stream, group, () => consumerInfos(connection, stream, group));
  return infos.filter(({ pending, idleMs }) => pending === 0 && idleMs >= least).length;
}

/** Removes those consumers, each looked at once more in the step that removes it; with `dryRun` only tells. */
export async function* forgetEmpty(
  connection: Connection,
  {
    stream,
    group,
    idleMs,
    dryRun,
    signal,
  }: EmptyRule & { readonly dryRun: boolean; readonly signal: AbortSignal },
): AsyncGenerator<ForgottenConsumer> {
  // Nothing goes at a dry run, so there is no next step: it asks for all at once.
  const most = dryRun ? Number.MAX_SAFE_INTEGER : AT_ONCE;
  const step = (): Promise<string[]> => forgetSome(connection, stream, { group, idleMs, most, dryRun });
  const again = "run it again: those that are gone stay gone";
  for (let names: string[] = []; !signal.aborted;) {
    names = await onStream(connection, stream, group, () =>
      dryRun ? step() : writeOnce("forgetting consumers", again, step),
    );
    for (const consumer of names) yield { stream, group, consumer, claimedTo: null, moved: 0, dropped: 0 };
    if (names.length < most) return;
  }
}
