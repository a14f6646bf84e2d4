import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { requiredGroup } from "../flags.ts";

const flags = [
  requiredGroup("whose successes? Give the group with -g GROUP"),
  flag.count("--limit <n>", "no more rows than this"),
] as const;

export type ListFlags = FlagsOf<typeof flags>;

export const list = command({
  name: "list",
  about: "keys that have succeeded, and for how long they are remembered",
  args: [argument("<stream>", "the stream")],
  flags,
  notes: `
KEY is the value of --dedupe's field, or its hash where it is long or not plain. In no order: the server's keys are
looked through with SCAN, a thousand at a time.`,
  examples: [
    "streamctl dedupe list orders -g billing",
    "streamctl dedupe list orders -g billing --json --limit 100",
  ],
  run: () => import("./list-run.ts"),
});
