import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { requiredGroup } from "../flags.ts";

const flags = [
  requiredGroup("whose successes? Give the group with -g GROUP"),
  flag.switch("--all", "every key of the group", {
    not: { any: ["[key...]"], says: "give either keys or --all" },
  }),
  flag.stream(
    "--emit <stream>",
    "where its workers put out to: across slots of a cluster it is remembered there, too",
  ),
] as const;

export type ForgetFlags = FlagsOf<typeof flags>;

export const forget = command({
  name: "forget",
  about: "forget successes: entries with these keys run again",
  args: [
    argument("<stream>", "the stream"),
    argument("[key...]", "values of --dedupe's field, or keys as dedupe list has them"),
  ],
  flags,
  notes: `
--all asks first; -y answers yes. Exit 4: none of the keys was remembered; 5: some were not.`,
  examples: [
    "streamctl dedupe forget orders -g billing 42 43",
    "streamctl dedupe forget orders -g billing --all -y",
  ],
  run: () => import("./forget-run.ts"),
});
