import { argument, command, type FlagsOf } from "./command.ts";
import { deadAfter } from "./flags.ts";

const flags = [deadAfter] as const;

export type DoctorFlags = FlagsOf<typeof flags>;

export const doctor = command({
  name: "doctor",
  about: "look for what loses, blocks or delays entries, and say what to do about it",
  args: [argument("[stream...]", "streams or patterns like 'orders:*' (default: every stream)")],
  flags,
  notes: `
It looks at the server (version, persistence, eviction, memory, clients, replication, cluster), at what this
user may do with each command, and at streams: dead consumers, piles of empty ones, pending entries without
data, entries that are delivered again and again, groups that nobody reads, dead letters, IDs in the future,
streams that expire or are never trimmed. The worst comes first. It changes nothing and says what it could
not see. Exit 6 when there is a finding of severity error.

A consumer that holds nothing is of no use any more after a day, or after --dead-after where that is given.`,
  examples: ["streamctl doctor", "streamctl doctor orders -o json"],
  run: () => import("./doctor-run.ts"),
});
