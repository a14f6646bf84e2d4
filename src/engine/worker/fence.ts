import type { Member } from "../../redis/ops/member.ts";
import type { MoveOnce } from "../../redis/ops/move.ts";
import type { Owned } from "../../redis/ops/owned.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { type InFlightEntry, noteOrphaned } from "./in-flight.ts";

/** What of an entry a move to another slot needs to know. */
export type Movable = Pick<InFlightEntry, "stream" | "entry" | "deliveries" | "claim" | "orphaned">;

/** How long a marker may be needed: until the entry of a worker that died between the two steps is taken. */
export const MARKER_TTL_MS = 24 * 60 * 60 * 1_000;

/** How many round trips such a move takes, one more or less: begin, still mine?, add, ack, marker away. */
export const FENCED_TRIPS = 5;

/**
 * Moves what comes of a delivery to another slot (see redis/ops/move.ts): only while the delivery is this worker's, which
 * an orphaned one is for good.
 */
export function moveFenced(
  streams: Streams,
  member: Member,
  delivery: Movable,
  move: Omit<MoveOnce, "mayAdd">,
): Promise<Owned> {
  const mayAdd = async (): Promise<Owned | undefined> => {
    if (delivery.orphaned) return undefined;
    const [owned = "notPending"] = await streams.keepAlive(delivery.stream, member, [delivery.claim]);
    if (owned === "orphaned") noteOrphaned(delivery);
    return owned === "done" || owned === "orphaned" ? undefined : owned;
  };
  return streams.moveOnce({ ...move, mayAdd });
}
