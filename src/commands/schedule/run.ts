import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { log } from "../flags.ts";

const flags = [
  flag.switch("--once", "add what is due now, and end"),
  flag.duration("--max-runtime <duration>", "end after that", {
    not: { any: ["--once"], says: "give --once or --max-runtime, not both" },
  }),
  log,
] as const;

export type RunFlags = FlagsOf<typeof flags>;

export const run = command({
  name: "run",
  about: "add what is scheduled for streams when it is due, as their workers do",
  args: [argument("<stream...>", "the streams' keys, or patterns for streams that are there")],
  flags,
  notes: `
For streams that no consume --exec works on all the time; beside workers it does no harm. Any number may run:
each entry is added once. Time is the server's. With --once it is for cron; otherwise it goes on until a
signal, waits while Redis is away, and is never later than a second.`,
  examples: [
    "streamctl schedule run orders",
    "streamctl schedule run 'orders:*' --log json",
    "streamctl schedule run orders --once -q",
  ],
  run: () => import("./run-run.ts"),
});
