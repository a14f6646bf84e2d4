import { FORMATS, PRETTY } from "../output/output.ts";
import { argument, command, type FlagsOf } from "./command.ts";
import { flag } from "./flag.ts";
import { where } from "./flags.ts";

const flags = [flag.choice("-o, --output <format>", "output format", [...FORMATS, PRETTY]), where] as const;

export type ShowFlags = FlagsOf<typeof flags>;

export const show = command({
  name: "show",
  about: "show entries on a page each, and where they stand with every group",
  args: [
    argument("<stream>", "the stream"),
    argument("<id...>", "the entries; + is the newest; - reads IDs, or rows of other commands, from stdin"),
  ],
  flags,
  notes: `
For each group an entry is undelivered (still to come), pending (with whom, for how long, how often it was delivered), or passed: acked,
or skipped when the group was set beyond it. Exit 4: none of the entries is there; 5: some are not.`,
  examples: [
    "streamctl show orders 1694012345678-0",
    "streamctl show orders +",
    "streamctl pending orders -g billing --list -o ndjson | streamctl show orders -",
  ],
  run: () => import("./show-run.ts"),
});
