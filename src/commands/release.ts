import { argument, command, type FlagsOf } from "./command.ts";
import { flag } from "./flag.ts";
import { requiredGroup } from "./flags.ts";
import { pendingFilters } from "./pending.ts";

const flags = [
  requiredGroup("whose pending entries? Give the group with -g GROUP"),
  flag.switch("--all", "every pending entry that the filters let through", {
    not: { any: ["[id...]"], says: "give either IDs or --all" },
  }),
  ...pendingFilters({ needs: "--all" }),
  flag.switch("--dry-run", "only show what would be released"),
] as const;

export type ReleaseFlags = FlagsOf<typeof flags>;

export const release = command({
  name: "release",
  about: "let workers take at once what waits for a retry, was snoozed, or is a dead worker's",
  args: [
    argument("<stream>", "the stream"),
    argument("[id...]", "the entries; - reads IDs, or rows of other commands, from stdin"),
  ],
  flags,
  notes: `
Delivery counts stay as they are, and with --order-by keys keep their order. What a worker may be running is left
alone and counted: to take it from a worker that hangs, use claim. A worker is taken for dead when no connection
is named after it, which needs the right to CLIENT LIST. Exit 4: none of the IDs was pending, or none waits; 5: some.`,
  examples: [
    "streamctl release orders -g billing --all",
    "streamctl release orders -g billing --all --where customer=acme --dry-run",
    "streamctl release orders -g billing 1694012345678-0",
  ],
  run: () => import("./release-run.ts"),
});
