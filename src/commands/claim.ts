import { argument, command, type FlagsOf } from "./command.ts";
import { flag } from "./flag.ts";
import { requiredGroup } from "./flags.ts";
import { pendingFilters } from "./pending.ts";

const flags = [
  requiredGroup("whose pending entries? Give the group with -g GROUP"),
  flag.text("--to <consumer>", "the consumer that gets them"),
  flag.switch("--all", "every pending entry that the filters let through", {
    not: { any: ["[id...]"], says: "give either IDs or --all" },
  }),
  ...pendingFilters({ needs: "--all" }),
  flag.text("--from-consumer <consumer>", "the same as --consumer", { asDefault: { not: "--consumer" } }),
  flag.switch("--count-delivery", "count this as a delivery", { needs: "--to" }),
  flag.switch("--drop-missing", "ack entries whose data is gone from the stream"),
  flag.switch("--dry-run", "only show what would move"),
] as const;

export type ClaimFlags = FlagsOf<typeof flags>;

export const claim = command({
  name: "claim",
  about: "give pending entries to another consumer",
  args: [
    argument("<stream>", "the stream"),
    argument("[id...]", "the entries; - reads IDs, or rows of other commands, from stdin"),
  ],
  flags,
  notes: `
An entry moves only if it is still pending and still matches at that moment; its idle time starts anew. A
running worker of that name runs it as soon as it has a place free; one with --consumer or --order-by, once it
has been idle for its --claim-idle. Entries whose data is gone can't move; --drop-missing, also without --to,
clears them and asks first (-y to say yes). Exit 4: none of the IDs was pending; 5: some were not.`,
  examples: [
    "streamctl claim orders -g billing 1694012345678-0 --to worker-2",
    "streamctl claim orders -g billing --all --from-consumer worker-1 --min-idle 5m --to worker-2 --dry-run",
    "streamctl claim orders -g billing --all --drop-missing -y",
  ],
  run: () => import("./claim-run.ts"),
});
