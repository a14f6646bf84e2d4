import type { Context } from "../../context.ts";
import type { LetterFilter } from "../../engine/dlq/filter.ts";
import { dlqKey } from "../../engine/dlq/name.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { LetterFlags } from "./letter-flags.ts";

/** The queue that holds a stream's dead letters. */
export function queueOf({ config }: Context, stream: StreamKey, explicit: string | undefined): StreamKey {
  return dlqKey(stream, {
    cluster: config.connection.mode === "cluster",
    template: config.dlqTemplate,
    explicit,
  });
}

/** What the flags ask of a letter. A queue named after no stream may hold what several streams lost. */
export function letterFilter(context: Context, stream: StreamKey, flags: Partial<LetterFlags>): LetterFilter {
  const shared = flags.dlq !== undefined || context.config.dlqTemplate?.includes("{stream}") === false;
  const { reason, group, minDeliveries, where } = flags;
  return { stream: shared ? stream : undefined, reason, group, minDeliveries, where };
}
