import { type StreamKey, groupName } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import type { Replay } from "../../redis/ops/replay-pack.ts";
import { type Fate, Reach } from "../../redis/ops/replay-fate.ts";
import type { DeadLetter } from "./letter.ts";
import { Mover } from "./mover.ts";
import type { ReplayRequest } from "./replay.ts";

/** Why a letter is not replayed; undefined when it is. */
export function leftOut(
  letter: DeadLetter,
  { maxReplays, acceptDoubt }: Pick<ReplayRequest, "maxReplays" | "acceptDoubt">,
): "tooOften" | "doubtful" | undefined {
  if (letter.doubt !== undefined && !acceptDoubt) return "doubtful";
  return maxReplays !== undefined && letter.replays >= maxReplays ? "tooOften" : undefined;
}

/** What the scripts take of a letter. */
export function asReplay(letter: DeadLetter, target: StreamKey): Replay {
  const { id, replays, group, stream, originalId, fields } = letter;
  const fromThere = stream === null || stream === target;
  return {
    id,
    replays: replays + 1,
    deliveries: letter.deliveriesTotal ?? letter.deliveries ?? 0,
    group: group ?? groupName(""),
    originalId: fromThere ? (originalId ?? "") : "",
    fields,
  };
}

/** What would become of letters, as far as their target decides that. */
export function planReplay(
  connection: Connection,
  request: Pick<ReplayRequest, "dlq" | "target" | "revive" | "allGroups" | "keep">,
  letters: readonly DeadLetter[],
): Promise<Fate[]> {
  const { dlq, target, keep } = request;
  const mover = new Mover(connection, { dlq, target, keep, reach: () => reachOf(request), onUncounted() {} });
  return mover.plan(letters.map((letter) => asReplay(letter, target)));
}

export function reachOf({ revive, allGroups }: Pick<ReplayRequest, "revive" | "allGroups">): Reach {
  return !revive ? Reach.anew : allGroups ? Reach.all : Reach.own;
}
