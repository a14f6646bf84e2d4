import { argument, command, type FlagsOf } from "../command.ts";
import { dlq, layout } from "./letter-flags.ts";

const flags = [dlq, layout] as const;

export type ShowFlags = FlagsOf<typeof flags>;

export const show = command({
  name: "show",
  about: "show everything known about dead letters: fields, failure, stderr, deliveries",
  args: [
    argument("<stream>", "the source stream, not the queue"),
    argument("<id...>", "IDs in the queue; - reads IDs, or rows of dlq list, from stdin"),
  ],
  flags,
  examples: [
    "streamctl dlq show orders 1694012345678-0",
    "streamctl dlq show orders 1694012345678-0 --json",
    "streamctl dlq list orders --limit 5 | streamctl dlq show orders -",
  ],
  run: () => import("./show-run.ts"),
});
