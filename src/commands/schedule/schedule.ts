import type { CommandGroup } from "../command.ts";
import { cancel } from "./cancel.ts";
import { list } from "./list.ts";
import { run } from "./run.ts";

export const schedule: CommandGroup = {
  name: "schedule",
  about: "look at, cancel and add what is to be added to a stream later",
  commands: [list, cancel, run],
};
