import { InvalidArgumentError, Option } from "commander";
import type { Context } from "../context.ts";
import { LAYOUTS, type LayoutChoice } from "../engine/dlq/letter.ts";
import { type LetterFilter, parseReason, type ReasonTest } from "../engine/dlq/filter.ts";
import { dlqKey } from "../engine/dlq/name.ts";
import type { Position } from "../engine/position.ts";
import type { Condition } from "../engine/where.ts";
import type { Connection } from "../redis/connection.ts";
import { positionOption, whereOption } from "./entry-options.ts";
import { countOption, groupOption } from "./options.ts";

/** The flags of every command that takes dead letters by filters. */
export interface LetterFlags {
  readonly dlq?: string;
  readonly since?: Position;
  readonly until?: Position;
  readonly reason?: ReasonTest;
  readonly group?: string;
  readonly where?: readonly Condition[];
  readonly minDeliveries?: number;
  readonly limit?: number;
  readonly layout?: LayoutChoice;
}

export function dlqOption(): Option {
  return new Option("--dlq <key>", "the dead-letter queue (default: STREAM:dlq)");
}

export function layoutOption(): Option {
  return new Option("--layout <layout>", "how the queue keeps the originals (default: auto)").choices([
    ...LAYOUTS,
  ]);
}

export function letterOptions(): Option[] {
  return [
    dlqOption(),
    positionOption(
      "--since <position>",
      "only what failed since: a time, or an age like 15m; an ID is a place in the queue",
    ),
    positionOption("--until <position>", "only what failed until then"),
    new Option(
      "--reason <reason>",
      "only with exactly this reason or last line of stderr; ~regex searches in both",
    ).argParser((text) => {
      const reason = parseReason(text);
      if (typeof reason === "string") throw new InvalidArgumentError(reason);
      return reason.test;
    }),
    groupOption(),
    whereOption(),
    countOption("--min-deliveries <n>", "only entries that had been delivered at least so often"),
    countOption("--limit <n>", "no more entries than this"),
    layoutOption(),
  ];
}

/** The queue that holds a stream's dead letters. */
export function queueOf(
  context: Context,
  connection: Connection,
  stream: string,
  explicit: string | undefined,
): string {
  return dlqKey(stream, {
    cluster: connection.cluster,
    template: context.config.dlqTemplate,
    explicit,
  });
}

/** What the flags ask of a letter. A queue named after no stream may hold what several streams lost. */
export function letterFilter(context: Context, stream: string, flags: LetterFlags): LetterFilter {
  const shared = flags.dlq !== undefined || context.config.dlqTemplate?.includes("{stream}") === false;
  const { reason, group, minDeliveries, where } = flags;
  return { stream: shared ? stream : undefined, reason, group, minDeliveries, where };
}
