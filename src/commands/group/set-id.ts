import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { GROUP_START } from "../flags.ts";

const flags = [
  flag.value(
    "--at <position>",
    "after 0, $ or an ID; before what is not older than a time or an age; group:OTHER: where that group stands",
    GROUP_START,
    { required: "where to? Give --at 0, $, an entry ID, a time, an age like 2h, or group:OTHER" },
  ),
  flag.switch("--dry-run", "only show what would be skipped or replayed"),
] as const;

export type SetIdFlags = FlagsOf<typeof flags>;

export const setId = command({
  name: "set-id",
  about: "set what a group was given last: forward skips entries, backward replays them",
  args: [argument("<stream>", "the stream"), argument("<group>", "the group")],
  flags,
  notes:
    "What is pending stays pending. An entry that is replayed while it is pending goes to whoever reads it.",
  examples: [
    "streamctl group set-id orders billing --at 1694012345678-0 --dry-run",
    "streamctl group set-id orders billing --at 2026-03-01T12:00:00Z",
    "streamctl group set-id orders billing --at '$' -y",
  ],
  run: () => import("./set-id-run.ts"),
});
