import { type Argument, type Command, Help, type Option } from "commander";
import { flagOf } from "../commands/flag.ts";
import { CONNECTION_GROUP } from "../commands/global-flags.ts";
import { helpWidth, layOutSections, type Section, wrapHelp } from "./layout.ts";
import { TOPICS } from "./topic-names.ts";

/** The help of a command: what is its own. Flags that every command takes are listed by the program's help alone. */
export class CliHelp extends Help {
  override formatHelp(command: Command): string {
    const width = helpWidth(this.helpWidth ?? 80);
    const description = layOutDescription(this.commandDescription(command), width);
    const sections = isRoot(command) ? this.#programSections(command) : this.#commandSections(command);
    return `Usage: ${this.commandUsage(command)}\n\n${description}${layOutSections(sections, width)}`;
  }

  /** `streamctl claim <stream> [id...] -g <group> [options]` */
  override commandUsage(command: Command): string {
    const names: string[] = [];
    for (let at: Command | null = command; at; at = at.parent) names.unshift(at.name());
    const own = this.visibleOptions(command);
    const more = own.some((option) => !isRequired(option) && option.long !== "--help");
    return [
      ...names,
      ...this.#operands(command),
      ...own
        .filter(isRequired)
        .map(({ short, long, flags }) => `${short ?? long} ${/<.*>/.exec(flags)?.[0] ?? ""}`),
      ...(command.commands.length > 0 ? ["<command>"] : []),
      ...(more ? ["[options]"] : []),
    ].join(" ");
  }

  override subcommandTerm(command: Command): string {
    return [command.name(), ...this.#operands(command)].join(" ");
  }

  override optionDescription(option: Option): string {
    const extra = [
      ...(option.argChoices ? [`one of: ${option.argChoices.join(", ")}`] : []),
      ...(isRequired(option) ? ["required"] : []),
    ];
    return extra.length === 0 ? option.description : `${option.description} (${extra.join("; ")})`;
  }

  override argumentDescription({ argChoices, description }: Argument): string {
    return argChoices ? `${description} (one of: ${argChoices.join(", ")})` : description;
  }

  #operands(command: Command): string[] {
    return command.registeredArguments.map((argument) => {
      const name = argument.name() + (argument.variadic ? "..." : "");
      return argument.required ? `<${name}>` : `[${name}]`;
    });
  }

  #commandSections(command: Command): Section[] {
    return [
      {
        title: "Arguments:",
        items: this.visibleArguments(command).map((argument) => [
          this.argumentTerm(argument),
          this.argumentDescription(argument),
        ]),
      },
      this.#subcommands(command),
      ...this.#optionSections(command, this.visibleOptions(command)),
    ];
  }

  #programSections(program: Command): Section[] {
    const here = this.visibleOptions(program).filter(
      (option) => option.helpGroupHeading !== CONNECTION_GROUP,
    );
    return [
      this.#subcommands(program),
      ...this.#optionSections(program, here).map(({ items }) => ({
        title: "Options of every command:",
        items,
      })),
      {
        title: "Topics (streamctl help TOPIC):",
        items: Object.entries(TOPICS).map(([name, about]) => [name, about]),
      },
    ];
  }

  #subcommands(command: Command): Section {
    const shown = this.visibleCommands(command).filter((child) => isRoot(command) || child.name() !== "help");
    return {
      title: "Commands:",
      items: shown.map((child) => [this.subcommandTerm(child), this.subcommandDescription(child)]),
    };
  }

  #optionSections(command: Command, options: Option[]): Section[] {
    const groups = this.groupItems(
      [...command.options],
      options,
      (option) => option.helpGroupHeading ?? "Options:",
    );
    return [...groups].map(([title, members]) => ({
      title,
      items: members.map((option) => [this.optionTerm(option), this.optionDescription(option)]),
    }));
  }
}

function isRoot(command: Command): boolean {
  return command.parent === null;
}

function layOutDescription(text: string, width: number): string {
  return text === "" ? "" : `${wrapHelp(text, width)}\n\n`;
}

/** Its command can't do without it, and refuses after the environment and the configuration had their say. */
export function isRequired(option: Option): boolean {
  return flagOf(option)?.required !== undefined;
}
