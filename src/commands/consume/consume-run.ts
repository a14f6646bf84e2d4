import type { Context } from "../../context.ts";
import { makeConsumerName } from "../../engine/consumer-name.ts";
import { UsageError } from "../../errors.ts";
import type { Invocation } from "../command.ts";
import { StreamArguments } from "../stream-arguments.ts";
import type { ConsumeFlags } from "./consume.ts";

/** Prints, or runs a command: what only one of them needs is loaded by that one. */
export async function run(
  context: Context,
  [patterns]: readonly [string[]],
  flags: ConsumeFlags,
  { program }: Invocation,
): Promise<number | void> {
  const { group } = flags;
  if (flags.exec !== undefined || flags.post !== undefined || program.length > 0) {
    if (group === undefined) throw new UsageError("a worker works on behalf of a group: give -g GROUP");
    // No rule of the flag: as a default it would be left out, and the entries acked.
    if (!flags.ack)
      throw new UsageError("--no-ack: only for printing: a worker acks what its command has done", {
        hint: "STREAMCTL_NO_ACK and defaults of consume say it, too",
      });
    if (flags.where !== undefined && !flags.ackUnmatched)
      throw new UsageError("--where of a worker needs --ack-unmatched", {
        hint: "what a worker leaves comes back to it when it is taken over, and counts as delivered each time",
      });
    const { runWorker } = await import("./worker.ts");
    return runWorker(context, { patterns, group, flags, program });
  }
  const { runNameOf } = await import("../../redis/ops/namesakes.ts");
  const { printFollowed, printGroup, printRange } = await import("./print.ts");
  const untilStopped = flags.follow || group !== undefined;
  const consumer = flags.consumer ?? makeConsumerName(context.io.pid);
  const runName = group === undefined ? undefined : runNameOf({ group, consumer });
  const connection = await context.connect({ untilStopped, runName });
  const args = new StreamArguments(context, connection, patterns);
  if (group !== undefined) return printGroup(context, args, { group, consumer }, flags);
  return flags.follow ? printFollowed(context, args, flags) : printRange(context, args, flags);
}
