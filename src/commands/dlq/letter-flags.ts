import { InvalidArgumentError } from "commander";
import { parseReason, type ReasonTest } from "../../engine/dlq/filter.ts";
import { LAYOUTS } from "../../engine/dlq/letter.ts";
import { flag, longName, marked, type ValuesOf } from "../flag.ts";
import { group, POSITION, where } from "../flags.ts";

export const dlq = flag.stream("--dlq <key>", "the dead-letter queue", { otherwise: "STREAM:dlq" });

export const layout = flag.choice("--layout <layout>", "how the queue keeps the originals", LAYOUTS, {
  otherwise: "auto",
});

const FILTERS = [
  flag.value(
    "--since <position>",
    "only what failed since: a time, or an age like 15m; an ID is a place in the queue",
    POSITION,
  ),
  flag.value("--until <position>", "only what failed until then", POSITION),
  flag.value(
    "--reason <reason>",
    "only with exactly this reason or last line of stderr; ~regex searches in both",
    { parse: readReason, form: "a reason" },
  ),
  group,
  where,
  flag.count("--min-deliveries <n>", "only entries that had been delivered at least so often"),
  flag.count("--limit <n>", "no more entries than this"),
] as const;

function readReason(text: string): ReasonTest {
  const reason = parseReason(text);
  if (typeof reason === "string") throw new InvalidArgumentError(reason);
  return reason.test;
}

/** The flags of every command that takes dead letters by filters. */
export const letterFlags = [dlq, ...FILTERS, layout] as const;

export type LetterFlags = ValuesOf<typeof letterFlags>;

/** What chooses letters besides their names. */
const CHOOSING = [flag.switch("--all", "every dead letter of the stream"), ...FILTERS] as const;

/**
 * Which letters are meant is said on the command line: a default narrows that choice, and is none by itself.
 */
const [all, ...filters] = marked(CHOOSING, (one) => ({
  not: {
    any: ["[id...]"],
    says: "name letters by their IDs, or choose them by filters, not both",
  },
  ...(longName(one) !== "--all" && {
    asDefault: { needs: { any: CHOOSING.map(longName).filter((other) => other !== longName(one)) } },
  }),
}));

/** The flags of commands that change the dead letters they are told of. */
export const selectionFlags = [
  all,
  dlq,
  ...filters,
  layout,
  flag.switch("--dry-run", "change nothing; print the letters that it would be"),
] as const;

export type SelectionFlags = ValuesOf<typeof selectionFlags>;

/** Whether the flags choose among the letters, or take them all. */
export function areNarrowed(flags: Partial<LetterFlags>): boolean {
  const { since, until, reason, group, where, minDeliveries, limit } = flags;
  return [since, until, reason, group, where, minDeliveries, limit].some((value) => value !== undefined);
}
