import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { GROUP_START } from "../flags.ts";

const flags = [
  flag.value(
    "--at <id>",
    "0: everything in the stream; $: what comes from now on; or after an ID",
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
    "streamctl group create 'orders:*' billing --if-missing",
    "streamctl group create orders:0 orders:1 orders:2 billing --mkstream --if-missing",
  ],
  run: () => import("./create-run.ts"),
});
