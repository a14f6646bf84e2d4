import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { selectionFlags } from "./letter-flags.ts";

const flags = [
  ...selectionFlags,
  flag.stream("--to <stream>", "add them to this stream, as new entries"),
  flag.switch(
    "--all-groups",
    "where only a new entry can be added, other groups of the stream may get it, too",
    { not: { any: ["--to"], says: " does nothing with --to: all groups of that stream get new entries" } },
  ),
  flag.switch("--keep", "leave the letters in the queue, marked so that they are not replayed again"),
  flag.switch("--edit", "open each entry in $EDITOR first", { defaults: "not in projects" }),
  flag.count("--max-replays <n>", "leave out what has been replayed that often"),
  flag.rate("--rate <rate>", "no more than this, e.g. 50/s"),
] as const;

export type ReplayFlags = FlagsOf<typeof flags>;

export const replay = command({
  name: "replay",
  about: "give dead letters back to the group they failed in, each exactly once",
  args: [
    argument("<stream>", "the source stream, not the queue"),
    argument(
      "[id...]",
      "IDs in the queue; - reads IDs, or rows of dlq list, from stdin; without any and without filters they are chosen on the terminal",
    ),
  ],
  flags,
  notes: `
An entry that still stands in the stream is made pending again for the group it failed in, at once and with all
its tries; no other group sees it. One that is gone is added anew, with the original's fields, byte for byte; where
other groups would get it, too, that is asked first (--all-groups agrees). How often an entry has been replayed is
remembered for 30 days. Oldest first, and only what is in the queue at the start. It can be stopped, killed and
repeated at any time: nothing is replayed twice.`,
  examples: [
    "streamctl dlq replay orders --all --rate 50/s",
    "streamctl dlq replay orders --reason '~timeout' --since 2h --max-replays 3 --dry-run",
    "streamctl dlq list orders --group billing | jq -c 'select((.fields.amount | tonumber) > 9)' | streamctl dlq replay orders -",
    "streamctl dlq replay orders 1694012345678-0 --edit",
  ],
  run: () => import("./replay-run.ts"),
});
