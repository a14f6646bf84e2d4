import type { Command } from "commander";
import { type Operands, readFlags } from "../../src/commands/command.ts";
import { commandPath } from "../../src/commands/tree.ts";
import { buildProgram } from "../../src/program.ts";

export interface ParsedLine {
  /** `consume`, `dlq list`. */
  readonly command: string;
  readonly args: Operands;
  /** As the command's run function gets them. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/** Parses a command line with the real command tree, without running it; throws at what it would refuse. */
export async function parseLine(argv: readonly string[]): Promise<ParsedLine> {
  let parsed: ParsedLine | undefined;
  const program = await buildProgram(() => (...parameters) => {
    const command = parameters.at(-1) as Command;
    const args = parameters.slice(0, -2) as Operands;
    parsed = { command: commandPath(command), args, flags: readFlags(command) };
    return Promise.resolve();
  });
  silence(program);
  await program.parseAsync([...argv], { from: "user" });
  if (!parsed) throw new Error(`no command in: ${argv.join(" ")}`);
  return parsed;
}

/** Help and errors of the tree are not printed. */
function silence(command: Command): void {
  command.configureOutput({ writeOut() {}, writeErr() {} });
  command.commands.forEach(silence);
}

/** The command lines of streamctl in a line of shell, as words without the program's name; no redirections, no comments. */
export function commandLines(line: string): string[][] {
  return line
    .replace(/ +# .*$/, "")
    .split(/ (?:\|\|?|&&|;) (?=(?:[^']*'[^']*')*[^']*$)/)
    .map((part) => shellWords(part.replace(/ \d?[<>]+ ?\S+(?=(?:[^']*'[^']*')*[^']*$)/g, "")))
    .filter(([program]) => program === "streamctl")
    .map(([, ...words]) => words);
}

/** The words of a line as a shell would take them: single and double quotes, no expansion. */
export function shellWords(line: string): string[] {
  const words = line.matchAll(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g);
  return [...words].map(([word]) => word.replace(/'([^']*)'|"([^"]*)"/g, "$1$2"));
}
