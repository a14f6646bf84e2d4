import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";

const flags = [
  flag.text("--reason <text>", "why: for those who meet the pause", {
    otherwise: "that of a pause that is there",
  }),
  flag.duration("--for <duration>", "it ends by itself, by the server's clock", {
    otherwise: "until group resume",
  }),
] as const;

export type PauseFlags = FlagsOf<typeof flags>;

export const pause = command({
  name: "pause",
  about: "have all workers and readers of a group take nothing, on every machine",
  args: [argument("<stream>", "the stream"), argument("<group>", "the group")],
  flags,
  notes: `
Within a second every worker (consume --exec) and every reader (consume -g) of the group takes no more
entries of the stream: no new ones, no retries, none of dead workers. What runs is finished and settled,
what was read ahead is handed back. They stay, and go on by themselves within a second after group resume,
or when the time is over. Restarts, of theirs or of Redis, change nothing.

A group that is paused already stays so since it was, by the new --for, or without an end. A reader whose
user may not see the pause (docs: permissions) is not stopped by it, and says so.`,
  examples: [
    "streamctl group pause orders billing --reason 'invoices are down' --for 2h",
    "streamctl group pause orders billing",
  ],
  run: () => import("./pause-run.ts"),
});
