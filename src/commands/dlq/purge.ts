import { argument, command, type FlagsOf } from "../command.ts";
import { archive } from "../flags.ts";
import { selectionFlags } from "./letter-flags.ts";

const flags = [...selectionFlags, archive] as const;

export type PurgeFlags = FlagsOf<typeof flags>;

export const purge = command({
  name: "purge",
  about: "delete dead letters for good",
  args: [
    argument("<stream>", "the source stream, not the queue"),
    argument("[id...]", "IDs in the queue; - reads IDs, or rows of dlq list, from stdin"),
  ],
  flags,
  notes: `
Asks first; -y answers yes. What was archived can be put back with its IDs, under another name, because a queue
takes no IDs below its last one, not even when it is empty:
  streamctl produce orders:dead --file dead.ndjson.gz --input entries --keep-id
  streamctl dlq replay orders --dlq orders:dead --all`,
  examples: [
    "streamctl dlq purge orders --until 30d --archive dead.ndjson.gz",
    "streamctl dlq purge orders --reason 'exit 65' --dry-run",
    "streamctl dlq purge orders --all -y",
  ],
  run: () => import("./purge-run.ts"),
});
