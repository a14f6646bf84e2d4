import { type AddHelpTextContext, type AddHelpTextPosition, Command, type ErrorOptions } from "commander";
import { commandPath } from "../commands/tree.ts";
import { didYouMean } from "../config/suggest.ts";
import { CliHelp } from "./cli-help.ts";
import { helpWidth, wrapHelp } from "./layout.ts";
import { elsewhere } from "./suggestions.ts";

/** A command, and every command below it, with this program's help and errors. */
export class CliCommand extends Command {
  constructor(name?: string) {
    super(name);
    this.on("command:*", ([word = ""]: readonly string[]) => this.#unknown(word));
  }

  override createCommand(name?: string): CliCommand {
    return new CliCommand(name);
  }

  override createHelp(): CliHelp {
    return Object.assign(new CliHelp(), this.configureHelp());
  }

  /** The text is wrapped to the terminal: see `wrapHelp`. */
  override addHelpText(
    position: AddHelpTextPosition,
    text: string | ((context: AddHelpTextContext) => string),
  ): this {
    return super.addHelpText(position, (context) => {
      const output = context.command.configureOutput();
      const columns = context.error ? output.getErrHelpWidth?.() : output.getOutHelpWidth?.();
      return wrapHelp(typeof text === "string" ? text : text(context), helpWidth(columns ?? 80));
    });
  }

  /** One line, that ends with where there is more to know. */
  override error(message: string, options?: ErrorOptions): never {
    const line = message.replace(/\n\(Did you mean (.*)\?\)$/, ": did you mean $1?");
    const brief = SAYS_LITTLE.has(options?.code ?? "") && line === message;
    return super.error(brief ? line.replace(/\.$/, "") + this.#seeHelp() : line, options);
  }

  #unknown(word: string): never {
    const names = this.createHelp()
      .visibleCommands(this)
      .map((command) => command.name());
    const hint = (this.parent === null && elsewhere(word)) || didYouMean(word, names) || this.#seeHelp();
    const name = `${commandPath(this)} ${word}`.trim();
    return this.error(`error: unknown command '${name}'${hint}`, { code: "commander.unknownCommand" });
  }

  #seeHelp(): string {
    const line = ["streamctl", commandPath(this), "--help"].filter((part) => part !== "").join(" ");
    return `: see ${line}`;
  }
}

/** Of what went wrong, commander says no more than that it did. */
const SAYS_LITTLE = new Set([
  "commander.missingArgument",
  "commander.excessArguments",
  "commander.unknownOption",
]);
