import type { Command } from "commander";

/** `dlq list` for the command and its parents, without the program's own name. */
export function commandPath(command: Command): string {
  const names = withParents(command).map((each) => each.name());
  return names.slice(0, -1).toReversed().join(" ");
}

/** The command, what it stands below, and last the program. */
export function withParents(command: Command): Command[] {
  return command.parent ? [command, ...withParents(command.parent)] : [command];
}

/** Every command by its path, in the order of the help text. */
export function allCommands(root: Command): Map<string, Command> {
  const found = new Map<string, Command>();
  const visit = (command: Command): void => {
    for (const child of command.commands) {
      found.set(commandPath(child), child);
      visit(child);
    }
  };
  visit(root);
  return found;
}

export function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent) : command;
}
