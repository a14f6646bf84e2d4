import type { Command } from "commander";
import { type Flag, flagOf } from "../../src/commands/flag.ts";
import { COMMON_FLAGS, CONNECTION_FLAGS } from "../../src/commands/global-flags.ts";
import { allCommands } from "../../src/commands/tree.ts";

/**
 * A page with its flag tables as the declarations have them, each between two comments:
 *
 *     <!-- flags: dlq list -->            those of a command, below how it is typed
 *     <!-- flags of every command -->
 *     <!-- flags of the connection -->
 *     <!-- /flags -->                     the end of each
 */
export function withFlagTables(text: string, program: Command): string {
  return text.replaceAll(
    /^(<!-- flags(?:: (.+)| of (.+)) -->)\n[^]*?^<!-- \/flags -->$/gm,
    (_, head: string, path: string | undefined, whose: string | undefined) =>
      `${head}\n\n${path === undefined ? tableOf(shared(whose)) : ofCommand(program, path)}\n\n<!-- /flags -->`,
  );
}

function shared(whose: string | undefined): readonly Flag[] {
  if (whose === "every command") return COMMON_FLAGS;
  if (whose === "the connection") return CONNECTION_FLAGS;
  throw new Error(`no flags of ${whose}`);
}

function ofCommand(program: Command, path: string): string {
  const command = allCommands(program).get(path);
  if (!command) throw new Error(`no command ${path}`);
  const flags = command.options.flatMap((option) => flagOf(option) ?? []);
  const usage = `\`\`\`text\n${command.createHelp().commandUsage(command)}\n\`\`\``;
  return flags.length === 0 ? usage : `${usage}\n\n${tableOf(flags)}`;
}

/** Aligned as the formatter does it. */
function tableOf(flags: readonly Flag[]): string {
  const rows = flags.map(({ spec, about, choices, required, default: byDefault, otherwise }) => [
    `\`${spec}\``,
    escaped([about, ...(choices ? [`one of: ${choices.join(", ")}`] : [])].join("; ")),
    required === undefined ? escaped(byDefault ?? otherwise ?? "") : "required",
  ]);
  const heads = ["flag", "what it does", "default"];
  const widths = heads.map((head, at) =>
    Math.max(...[head, ...rows.map((row) => row[at] ?? "")].map(length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => cell + " ".repeat((widths[at] ?? 0) - length(cell))).join(" | ")} |`;
  return [line(heads), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** In columns of a terminal; nothing in a help text is wider than one. */
function length(text: string): number {
  return Array.from(text).length;
}

/** Plain text: nothing of it is a tag, or struck through. */
function escaped(text: string): string {
  return text.replaceAll(/[<|~*]/g, String.raw`\$&`);
}
