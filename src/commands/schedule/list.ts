import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { scheduleFilters } from "./schedule-flags.ts";

const flags = [...scheduleFilters, flag.switch("--fail-if-any", "exit 6 when there is any")] as const;

export type ListFlags = FlagsOf<typeof flags>;

export const list = command({
  name: "list",
  about: "list what is to be added to a stream later, what is due first coming first",
  args: [argument("<stream>", "the stream's key")],
  flags,
  notes: `
Entries that workers have put off have their group and their ID; they are in the stream already, and come
back to that group alone. What is overdue for more than a second finds no worker: see schedule run.`,
  examples: [
    "streamctl schedule list orders",
    "streamctl schedule list orders --until +1h --where customer=42",
    "streamctl schedule list orders --overdue --fail-if-any -q",
  ],
  run: () => import("./list-run.ts"),
});
