import type { CommandGroup } from "../command.ts";
import { consumers } from "./consumers.ts";
import { create } from "./create.ts";
import { destroy } from "./destroy.ts";
import { forgetConsumer } from "./forget-consumer.ts";
import { pause } from "./pause.ts";
import { resume } from "./resume.ts";
import { setId } from "./set-id.ts";

export const group: CommandGroup = {
  name: "group",
  about: "make, move, pause and remove groups and their consumers",
  commands: [create, setId, destroy, consumers, forgetConsumer, pause, resume],
};
