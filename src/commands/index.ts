import type { CommandDefinition, CommandGroup } from "./command.ts";
import { complete } from "./complete.ts";
import { lag } from "./lag/lag.ts";

export type Definition = CommandDefinition | CommandGroup;

/** What is started all the time does not pay for the text of all others. */
const OFTEN = [lag, complete];

/** The command `name`; every command, in the order of the help text, when it is none. */
export async function commandsFor(name: string | undefined): Promise<readonly Definition[]> {
  const often = OFTEN.find((one) => one.name === name);
  if (often) return [often];
  const { COMMANDS } = await import("./all.ts");
  const found = COMMANDS.filter((one) => one.name === name);
  return found.length > 0 ? found : COMMANDS;
}
