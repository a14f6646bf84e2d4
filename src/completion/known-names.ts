import type { Argument, Command, Option } from "commander";
import { flagOf, type Names } from "../commands/flag.ts";

const BY_PLACEHOLDER: Readonly<Record<string, Names>> = {
  stream: "streams",
  pattern: "streams",
  key: "keys",
  group: "groups",
  consumer: "consumers",
};

/** `group` of `-g, --group <group>`; undefined for a flag without a value. */
function placeholderOf({ required, optional, flags }: Option): string | undefined {
  return required || optional ? (/[<[](.+?)[\]>]/.exec(flags)?.[1] ?? "value") : undefined;
}

/** What a flag's value names, if anything that can be looked up. */
export function namesOfOption(option: Option): Names | undefined {
  const placeholder = placeholderOf(option) ?? "";
  return (
    flagOf(option)?.names ??
    (Object.hasOwn(BY_PLACEHOLDER, placeholder) ? BY_PLACEHOLDER[placeholder] : undefined)
  );
}

/** The same of an operand. IDs are those of dead letters, or of what is pending. */
export function namesOfArgument(command: Command, argument: Argument): Names | undefined {
  const name = argument.name();
  // What dlq add takes is not in the queue yet.
  if (name === "id")
    return command.parent?.name() === "dlq" && command.name() !== "add" ? "letters" : "pending";
  return Object.hasOwn(BY_PLACEHOLDER, name) ? BY_PLACEHOLDER[name] : undefined;
}

/** The flag's value names a file or a folder. */
export function takesFile(option: Option): boolean {
  return /^(file|path|folder)$/i.test(placeholderOf(option) ?? "");
}
