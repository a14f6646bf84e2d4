import type { Command } from "commander";
import type { Act } from "../program.ts";
import { defineGroupChanges } from "./group-changes.ts";
import { defineGroupConsumers } from "./group-consumers.ts";
import { defineGroupForget } from "./group-forget.ts";

export function defineGroup(program: Command, act: Act): void {
  const group = program.command("group").description("make, move and remove groups and their consumers");
  defineGroupChanges(group, act);
  defineGroupConsumers(group, act);
  defineGroupForget(group, act);
}
