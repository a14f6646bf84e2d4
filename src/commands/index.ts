import type { CommandDefinition, CommandGroup } from "./command.ts";
import { lag } from "./lag/lag.ts";

export type Definition = CommandDefinition | CommandGroup;

/**
 * The command `name`; every command, in the order of the help text, when it is none. `lag` is started all the
 * time, and does not pay for the text of all others.
 */
export async function commandsFor(name: string | undefined): Promise<readonly Definition[]> {
  if (name === lag.name) return [lag];
  const { COMMANDS } = await import("./all.ts");
  const found = COMMANDS.filter((one) => one.name === name);
  return found.length > 0 ? found : COMMANDS;
}
