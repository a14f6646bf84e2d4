import { InvalidArgumentError, type Option } from "commander";
import { UsageError } from "../errors.ts";
import { FORMATS } from "../output/output.ts";
import type { CommandDefinition } from "./command.ts";
import { longName, nameOf } from "./flag.ts";
import { commandsFor } from "./index.ts";

/** What -o takes for a command: with a flag of its own of that name it has forms of its own, too. */
function formsOf({ flags }: Pick<CommandDefinition, "flags">): readonly string[] {
  return flags.find((one) => longName(one) === "--output")?.choices ?? FORMATS;
}

/** Refuses a default of -o that the command does not have. */
export function acceptForm(definition: CommandDefinition, option: Option, value: unknown): void {
  const forms = formsOf(definition);
  if (nameOf(option) === "output" && !forms.some((form) => form === value))
    throw new InvalidArgumentError(`Allowed choices are ${forms.join(", ")}.`);
}

/** Fails with exit 2 for a typed -o that the command does not have; says which one does. */
export async function mustHaveForm(definition: CommandDefinition, typed: string | undefined): Promise<void> {
  const forms = formsOf(definition);
  if (typed === undefined || forms.includes(typed)) return;
  const all = (await commandsFor(undefined)).flatMap((one) => ("commands" in one ? one.commands : [one]));
  const owner = all.find((one) => formsOf(one).includes(typed));
  throw new UsageError(
    owner
      ? `-o ${typed} is for ${owner.name} alone`
      : `option '-o, --output <format>' argument '${typed}' is invalid. Allowed choices are ${forms.join(", ")}.`,
  );
}
