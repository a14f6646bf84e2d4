import { ConnectionError } from "../../errors.ts";
import { addedId, presentId } from "../../redis/ops/add.ts";
import type { Pipeline } from "../../redis/pipeline.ts";
import { type Confirmation, TooFewReplicas } from "../../redis/replicas.ts";
import type { Reply } from "../../redis/resp.ts";
import type { Batch } from "./batch.ts";

/** What becomes of the entries of a batch: of each, by its place there, one of these. */
export interface Fates {
  answered(index: number, reply: Reply): void;
  /** No reply came. */
  lost(index: number, error: ConnectionError): void;
  /** The entry was added, and too few replicas have said that they have it. */
  unconfirmed(index: number, id: Buffer, error: TooFewReplicas): void;
  /** The wait for replicas was refused. */
  refused(error: unknown): void;
  /** All have been told. */
  done(): void;
}

export function sendBatch(pipeline: Pipeline, batch: Batch, fates: Fates): void {
  const { count } = batch;
  let answered = 0;
  pipeline.send(
    batch.bytes,
    count,
    (reply) => {
      fates.answered(answered, reply);
      if (++answered === count) fates.done();
    },
    (error) => {
      for (let i = answered; i < count; i++) fates.lost(i, error);
      fates.done();
    },
  );
}

/** Replies count when replicas have what they are about: until then an entry is as if its reply had not come. */
export async function sendToReplicas(
  pipeline: Pipeline,
  batch: Batch,
  fates: Fates,
  replicas: Confirmation,
): Promise<void> {
  const { count } = batch;
  const replies: Reply[] = [];
  // A connection that is lost is so for the confirmation behind it, too.
  const lost = (): void => {};
  pipeline.send(batch.bytes, count, (reply) => replies.push(reply), lost);
  const failure = await confirmed(pipeline, replies, replicas);
  for (let i = 0; i < count; i++) {
    const reply = replies[i];
    const id = reply === undefined ? undefined : (addedId(reply) ?? presentId(reply));
    if (reply !== undefined && (failure === undefined || id === undefined)) fates.answered(i, reply);
    else if (id !== undefined && failure instanceof TooFewReplicas) fates.unconfirmed(i, id, failure);
    else fates.lost(i, asLoss(failure));
  }
  if (failure !== undefined && !(failure instanceof ConnectionError)) fates.refused(failure);
  fates.done();
}

/** Why they are not, or undefined. */
async function confirmed(
  pipeline: Pipeline,
  replies: readonly Reply[],
  replicas: Confirmation,
): Promise<unknown> {
  try {
    await replicas.confirm(pipeline);
    // What was there may have been added over another connection.
    if (replies.some((reply) => presentId(reply) !== undefined)) await replicas.prove(pipeline);
    return undefined;
  } catch (error) {
    return error;
  }
}

function asLoss(failure: unknown): ConnectionError {
  if (failure instanceof ConnectionError) return failure;
  return new ConnectionError("replicas could not be waited for", { sent: true, cause: failure });
}
