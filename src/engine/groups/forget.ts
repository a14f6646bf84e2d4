import type { GroupName, StreamKey } from "../../entry/names.ts";
import { StreamctlError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { forgetByHand } from "../../redis/ops/forget-consumer.ts";
import { handOver } from "../../redis/ops/hand-over.ts";
import { consumerInfos } from "../../redis/ops/info.ts";
import { writeOnce } from "../write-once.ts";
import { onStream, requireConsumer } from "./missing.ts";

/** A consumer that was removed, and what became of what it held. */
export interface ForgottenConsumer {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly consumer: string;
  readonly claimedTo: string | null;
  readonly moved: number;
  /** Pending entries whose data was gone; they were acked. */
  readonly dropped: number;
}

export interface ForgetRequest {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly consumer: string;
  /** Who gets what it holds; undefined: refuse when it holds anything. */
  readonly heir: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: (moved: number) => void;
}

/** One step moves so many entries: the server is held up for a few ms at most. */
const AT_ONCE = 100;

/**
 * Removes a consumer that holds nothing, or whose entries go to another one first. The last of them move
 * and the consumer goes in one step, so a consumer that still reads loses nothing: its next read makes it
 * anew. Undefined: stopped before it was done.
 */
export async function forget(
  connection: Connection,
  request: ForgetRequest,
): Promise<ForgottenConsumer | undefined> {
  const { stream, group, consumer, heir, signal } = request;
  await onStream(connection, stream, group, () => requireConsumer(connection, stream, group, consumer));
  const again = "run it again: what has moved stays where it is";
  const step = <T>(write: () => Promise<T>): Promise<T> =>
    onStream(connection, stream, group, () => writeOnce(`forgetting ${consumer}`, again, write));
  if (heir === undefined) {
    if ((await step(() => forgetByHand(connection, stream, { group, consumer }))) === "holdsEntries")
      throw await holdsEntries(connection, stream, group, consumer);
    return { stream, group, consumer, claimedTo: null, moved: 0, dropped: 0 };
  }
  let moved = 0;
  let dropped = 0;
  while (!signal.aborted) {
    const done = await step(() => handOver(connection, request, consumer, heir, AT_ONCE));
    moved += done.moved;
    dropped += done.dropped;
    request.onProgress?.(moved);
    if (done.removed) return { stream, group, consumer, claimedTo: heir, moved, dropped };
  }
  return undefined;
}

async function holdsEntries(
  connection: Connection,
  stream: StreamKey,
  group: GroupName,
  consumer: string,
): Promise<StreamctlError> {
  const infos = await consumerInfos(connection, stream, group);
  const count = infos.find(({ name }) => name === consumer)?.pending ?? 0;
  return new StreamctlError("failed", `${consumer} holds ${count} pending entries of ${group} on ${stream}`, {
    hint: "--claim-to CONSUMER gives them to another one first",
  });
}
