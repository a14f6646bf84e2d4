import { parseEntryId } from "../../entry/id.ts";
import { argument, command, type FlagsOf } from "../command.ts";
import { alternatives, flag } from "../flag.ts";
import { archive } from "../flags.ts";

const ID = { parse: parseEntryId, form: "an entry ID like 1694012345678-0" };

export const ONE_CUT = "say how far to trim with one of --maxlen, --max-age and --min-id";

const flags = [
  ...alternatives(
    [
      flag.count("--maxlen <n>", "keep the newest n entries", { least: 0 }),
      flag.duration("--max-age <duration>", "keep what is not older, by the server's clock"),
      flag.value("--min-id <id>", "keep what has this ID or a later one", ID),
    ],
    ONE_CUT,
  ),
  flag.switch("--exact", "to the entry; without, only whole nodes (some 100 entries) go"),
  flag.switch("--force", "also what groups have not been given or have not acked", {
    defaults: "not in files",
  }),
  archive,
  flag.switch("--dry-run", "remove nothing; tell what would go and what groups would lose"),
  flag.switch("--fail-if-held", "exit 6 when nothing was removed because a group still needs it"),
] as const;

export type TrimFlags = FlagsOf<typeof flags>;

export const trim = command({
  name: "trim",
  about: "trim streams, but not what some group still needs",
  args: [argument("<stream...>", "streams, or patterns like 'orders:*'")],
  flags,
  notes: `
An entry that some group has not been given, or has not acked, stays, and so does everything after it: then
the group that holds it is named (heldBy). --fail-if-held makes that exit 6 where nothing at all was removed.
Pending entries whose data is gone hold nothing; what clears them is named. --force says what groups lose by it, and asks first. Patterns leave
out dead-letter queues, unless they end as those do. With -q there is no output when all went well, unless -o
asks for rows.`,
  examples: [
    "streamctl trim orders --max-age 7d -q --fail-if-held    # from cron: silent when all went well",
    "streamctl trim 'orders:*' --maxlen 1m --dry-run",
    "streamctl trim orders --max-age 30d --archive orders.ndjson.gz",
  ],
  run: () => import("./trim-run.ts"),
});
