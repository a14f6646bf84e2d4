import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { GROUP_START } from "../flags.ts";

const flags = [
  flag.value(
    "--at <position>",
    "0: everything; $: what comes from now on; after an ID; what is not older than a time or an age; group:OTHER: where that group stands",
    GROUP_START,
    { default: "0" },
  ),
  flag.switch("--mkstream", "make the stream, too, when it is not there"),
  flag.switch("--if-missing", "leave a group that exists where it is, and succeed"),
] as const;

export type CreateFlags = FlagsOf<typeof flags>;

export const create = command({
  name: "create",
  about: "make a group",
  args: [
    argument("<stream>", "a stream, or a pattern like 'orders:*'"),
    argument("<group...>", "further streams, and last the group"),
  ],
  usage: "[options] <stream...> <group>",
  flags,
  examples: [
    "streamctl group create orders billing",
    "streamctl group create orders billing --at '$' --mkstream",
    "streamctl group create orders audit --at 2h",
    "streamctl group create orders billing-test --at group:billing",
    "streamctl group create 'orders:*' billing --if-missing",
    "streamctl group create orders:0 orders:1 orders:2 billing --mkstream --if-missing",
  ],
  run: () => import("./create-run.ts"),
});
