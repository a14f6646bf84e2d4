import { DUE_FORMS, parseDue } from "../../engine/schedule/moment.ts";
import { alternatives, flag, type ValuesOf } from "../flag.ts";
import { where } from "../flags.ts";

const DUE = { parse: parseDue, form: DUE_FORMS };

/** What chooses among all that is scheduled. */
export const scheduleFilters = [
  flag.value("--since <time>", `only what is due since then: a time, an age like 15m, or +15m`, DUE),
  ...alternatives(
    [
      flag.value("--until <time>", "only what is due until then", DUE),
      flag.switch("--overdue", "only what should have been added by now"),
    ],
    "give --until or --overdue, not both",
  ),
  flag.group("-g, --group <group>", "only entries that workers of this group have put off"),
  where,
  flag.count("--limit <n>", "no more than this, what is due first coming first"),
] as const;

export type ScheduleFilterFlags = ValuesOf<typeof scheduleFilters>;

/** Whether the flags choose, or take all. */
export function areNarrowed({ since, until, overdue, group, where, limit }: ScheduleFilterFlags): boolean {
  return [since, until, overdue || undefined, group, where, limit].some((value) => value !== undefined);
}
