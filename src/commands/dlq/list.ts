import { TALLY_KEYS } from "../../engine/dlq/tally.ts";
import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { letterFlags } from "./letter-flags.ts";

const flags = [
  ...letterFlags,
  flag.switch("--oldest", "oldest first"),
  flag.text(
    "--by <key>",
    `count instead of listing: by ${TALLY_KEYS.join(", ")}, or a field of the originals`,
  ),
  flag.switch("--fail-if-any", "exit 6 when there is any"),
] as const;

export type ListFlags = FlagsOf<typeof flags>;

export const list = command({
  name: "list",
  about: "list what a stream lost to its dead-letter queue, newest first",
  args: [argument("<stream>", "the source stream, not the queue")],
  flags,
  notes:
    "--since and --until go by the time of the failure (dlq.failed-at), --where by the original's fields.",
  examples: [
    "streamctl dlq list orders --since 1h --reason '~timeout|signal'",
    "streamctl dlq list orders --by reason",
    "streamctl dlq list orders --fail-if-any -q",
  ],
  run: () => import("./list-run.ts"),
});
