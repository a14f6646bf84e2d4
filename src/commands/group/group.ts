import type { CommandGroup } from "../command.ts";
import { consumers } from "./consumers.ts";
import { create } from "./create.ts";
import { destroy } from "./destroy.ts";
import { forgetConsumer } from "./forget-consumer.ts";
import { setId } from "./set-id.ts";

export const group: CommandGroup = {
  name: "group",
  about: "make, move and remove groups and their consumers",
  commands: [create, setId, destroy, consumers, forgetConsumer],
};
