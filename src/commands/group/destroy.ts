import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";

const flags = [flag.switch("--dry-run", "only show what would go")] as const;

export type DestroyFlags = FlagsOf<typeof flags>;

export const destroy = command({
  name: "destroy",
  about: "remove a group with its position and its pending list",
  args: [argument("<stream>", "the stream"), argument("<group>", "the group")],
  flags,
  notes:
    "It tells what the group holds and has not been given, and asks first. The entries stay in the stream.",
  examples: ["streamctl group destroy orders billing --dry-run"],
  run: () => import("./destroy-run.ts"),
});
