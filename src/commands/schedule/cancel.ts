import { argument, command, type FlagsOf } from "../command.ts";
import { flag, longName, marked } from "../flag.ts";
import { archive } from "../flags.ts";
import { scheduleFilters } from "./schedule-flags.ts";

const CHOOSING = [
  flag.switch("--all", "everything that is scheduled for the stream"),
  ...scheduleFilters,
] as const;

/** What is meant is said on the command line: a default narrows that choice, and is none by itself. */
const choosing = marked(CHOOSING, (one) => ({
  not: { any: ["[id...]"], says: "name what is scheduled by its IDs, or choose it by filters, not both" },
  ...(longName(one) !== "--all" && {
    asDefault: { needs: { any: CHOOSING.map(longName).filter((other) => other !== longName(one)) } },
  }),
}));

const flags = [
  ...choosing,
  archive,
  flag.switch("--dry-run", "change nothing; print what would be cancelled"),
] as const;

export type CancelFlags = FlagsOf<typeof flags>;

export const cancel = command({
  name: "cancel",
  about: "take what is scheduled out of the schedule, so that it is never added",
  args: [
    argument("<stream>", "the stream's key"),
    argument("[id...]", "what produce printed, or schedule list shows: scheduled:1764212345678901"),
  ],
  flags,
  notes: `
Asks first; -y answers yes. What comes due meanwhile is either added or cancelled. An entry that a worker has
put off is not lost: it goes back to its group at once. What was archived can be scheduled again:
  streamctl produce orders --input entries --file cancelled.ndjson --delay 1h`,
  examples: [
    "streamctl schedule cancel orders scheduled:1764212345678901",
    "streamctl schedule cancel orders --since +1h --where customer=42 --dry-run",
    "streamctl schedule cancel orders --all --archive cancelled.ndjson -y",
  ],
  run: () => import("./cancel-run.ts"),
});
