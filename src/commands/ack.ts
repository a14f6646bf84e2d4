import { argument, command, type FlagsOf } from "./command.ts";
import { flag } from "./flag.ts";
import { requiredGroup } from "./flags.ts";

const flags = [
  requiredGroup("acked for whom? Give the group with -g GROUP"),
  flag.switch("--dry-run", "only show what would be acked"),
] as const;

export type AckFlags = FlagsOf<typeof flags>;

export const ack = command({
  name: "ack",
  about: "ack pending entries by hand, whoever holds them",
  args: [
    argument("<stream>", "the stream"),
    argument("<id...>", "the entries; - reads IDs, or rows of other commands, from stdin"),
  ],
  flags,
  notes: "Nobody gets an acked entry again. Exit 4: none of the IDs was pending; 5: some were not.",
  examples: [
    "streamctl ack orders -g billing 1694012345678-0",
    "streamctl pending orders -g billing --list --consumer worker-1 | streamctl ack orders -g billing -",
  ],
  run: () => import("./ack-run.ts"),
});
