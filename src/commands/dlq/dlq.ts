import type { CommandGroup } from "../command.ts";
import { add } from "./add.ts";
import { list } from "./list.ts";
import { purge } from "./purge.ts";
import { replay } from "./replay.ts";
import { show } from "./show.ts";

export const dlq: CommandGroup = {
  name: "dlq",
  about: "look at and repair what was dead-lettered",
  commands: [list, show, replay, purge, add],
};
