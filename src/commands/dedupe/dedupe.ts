import type { CommandGroup } from "../command.ts";
import { forget } from "./forget.ts";
import { list } from "./list.ts";

export const dedupe: CommandGroup = {
  name: "dedupe",
  about: "look at and forget what consume --dedupe remembers",
  commands: [list, forget],
};
