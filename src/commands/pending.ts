import { argument, command, type FlagsOf } from "./command.ts";
import { flag, marked, type Marks } from "./flag.ts";
import { requiredGroup, where } from "./flags.ts";

/**
 * The filters of every command that takes pending entries; they have the names of PendingFilter. `choosing`:
 * what more there is to say of those that choose among all, and not also among entries that were named.
 */
export function pendingFilters<const Choosing extends Marks = Marks>(choosing?: Choosing) {
  return [
    flag.duration("--min-idle <duration>", "only entries not delivered or claimed for this long"),
    flag.text("--consumer <consumer>", "only what is pending for this consumer"),
    flag.count("--min-deliveries <n>", "only entries delivered at least so often"),
    ...marked([where], () => choosing ?? {}),
    flag.count("--limit <n>", "no more rows than this", choosing),
  ] as const;
}

const flags = [
  requiredGroup("whose pending entries? Give the group with -g GROUP"),
  flag.switch("--list", "one row per entry instead of one per consumer"),
  ...pendingFilters(),
  flag.switch("--payload", "with --list: the entries' fields, too", { needs: "--list" }),
  flag.duration(
    "--claim-idle <duration>",
    "with --list: when workers with this --claim-idle may take each entry",
    {
      needs: "--list",
    },
  ),
  flag.duration("--retry-delay <duration>", "their --retry-delay", {
    default: "1s",
    needs: "--claim-idle",
  }),
  flag.duration("--retry-max-delay <duration>", "their --retry-max-delay", {
    otherwise: "5m",
    needs: "--claim-idle",
  }),
] as const;

export type PendingFlags = FlagsOf<typeof flags>;

export const pending = command({
  name: "pending",
  about: "show what a group has been given and has not acked",
  args: [argument("<stream>", "the stream")],
  flags,
  notes: `
AGE counts from the entry's ID, IDLE from when it was last delivered or claimed. waiting (null): its idle time was
set and did not pass: it waits for its retry, or was handed back or replayed and may be taken at once.
--min-idle goes by what the server says in any case.

When a retry comes due is kept as an idle time that workers reckon with their own settings, which Redis does not know. Say these with
--claim-idle, --retry-delay and --retry-max-delay, and DUE tells: for what a worker has in hand, when it goes to others if that worker dies.

--where looks at the entries themselves, and leaves out those whose data is gone.

Without --list the filters choose what is counted. With it, an entry whose data was deleted or trimmed from the stream has missing: true.`,
  examples: [
    "streamctl pending orders -g billing",
    "streamctl pending orders -g billing --list --min-idle 5m --payload",
    "streamctl pending orders -g billing --list --claim-idle 1m",
    "streamctl pending orders -g billing --list --where payload.customer.id=42",
  ],
  run: () => import("./pending-run.ts"),
});
