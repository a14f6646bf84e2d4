import { argument, command, type FlagsOf } from "../command.ts";
import { deadAfter, group } from "../flags.ts";

const flags = [group, deadAfter] as const;

export type ConsumersFlags = FlagsOf<typeof flags>;

export const consumers = command({
  name: "consumers",
  about: "list a group's consumers",
  args: [argument("<stream...>", "streams or patterns like 'orders:*'")],
  flags,
  notes: `
Without -g, those of all groups. idleMs counts from a consumer's last attempt to read (before Redis 7.2: its
last success), inactiveMs from when it last got anything.`,
  examples: [
    "streamctl group consumers orders -g billing",
    "streamctl group consumers 'orders:*' --dead-after 1h",
  ],
  run: () => import("./consumers-run.ts"),
});
