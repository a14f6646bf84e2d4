import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { requiredGroup } from "../flags.ts";
import { dlq } from "./letter-flags.ts";

const flags = [
  requiredGroup("whose pending entries? Give the group with -g GROUP"),
  flag.text("--reason <text>", "why, for the dead letter", { default: "dead-lettered by hand" }),
  dlq,
  flag.switch("--dry-run", "only show what would be dead-lettered"),
] as const;

export type AddFlags = FlagsOf<typeof flags>;

export const add = command({
  name: "add",
  about: "dead-letter pending entries by hand, whoever holds them",
  args: [
    argument("<stream>", "the source stream"),
    argument("<id...>", "the pending entries; - reads IDs, or rows of other commands, from stdin"),
  ],
  flags,
  notes: `
The letter is as a worker would have written it, in one step with the ack; a worker that runs the entry finds it
settled, and its verdict is dropped. Asks first; -y answers yes. Exit 4: none of the IDs was pending; 5: some were not.`,
  examples: [
    "streamctl dlq add orders -g billing 1694012345678-0 --reason 'customer is gone' -y",
    "streamctl pending orders -g billing --list --where customer=acme | streamctl dlq add orders -g billing - -y",
  ],
  run: () => import("./add-run.ts"),
});
