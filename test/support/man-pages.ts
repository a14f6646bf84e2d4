import type { Command } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { COMMANDS } from "../../src/commands/all.ts";
import type { CommandDefinition } from "../../src/commands/command.ts";
import { type Flag, flagOf } from "../../src/commands/flag.ts";
import { COMMON_FLAGS, CONNECTION_FLAGS } from "../../src/commands/global-flags.ts";
import { allCommands } from "../../src/commands/tree.ts";
import { runsOf } from "../../src/help/layout.ts";
import { FLAGS, TOPIC_TEXTS } from "../../src/help/topics.ts";
import { TOPICS } from "../../src/help/topic-names.ts";

/**
 * The manual, by names of files: a page for the program and each of its commands, and for two topics. All they say
 * comes from the declarations of commands and flags, and from the texts of `streamctl help TOPIC`.
 */
export function manPages(program: Command): Map<string, string> {
  const commands = COMMANDS.flatMap((one) =>
    "commands" in one
      ? one.commands.map((below) => ({ path: `${one.name} ${below.name}`, definition: below }))
      : [{ path: one.name, definition: one }],
  ).filter(({ definition }) => definition.hidden !== true);
  const tree = allCommands(program);
  const pages = new Map([["streamctl.1", programPage(commands)]]);
  for (const { path, definition } of commands) {
    const command = tree.get(path);
    if (!command) throw new Error(`no command ${path}`);
    pages.set(`${pageOf(path)}.1`, commandPage(path, definition, command));
  }
  pages.set("streamctl-exec.7", execPage(tree));
  pages.set("streamctl-formats.7", formatsPage());
  return pages;
}

const EXIT_STATUS = text(TOPIC_TEXTS["exit-codes"].replace(/^Exit codes:\n/, ""));

/** `dlq replay` → `streamctl-dlq-replay`. */
function pageOf(path: string): string {
  return `streamctl-${path.replaceAll(" ", "-")}`;
}

function programPage(commands: readonly { path: string; definition: CommandDefinition }[]): string {
  return page("streamctl", 1, "the command-line tool for Redis Streams", [
    section("Synopsis", [".B streamctl", String.raw`\fIcommand\fR [\fIargument\fR ...] [\fIoption\fR ...]`]),
    section("Description", [
      ...prose(manifest.description),
      ".PP",
      ...prose(
        "All state lives in Redis (or Valkey): any number of machines can run streamctl side by side, and Redis' consumer " +
          "groups share out the work. stdout is data, stderr is for people.",
      ),
    ]),
    section(
      "Commands",
      commands.flatMap(({ path, definition: { about } }) => [
        ".TP",
        reference(pageOf(path), 1),
        escaped(about),
      ]),
    ),
    section("Topics", [
      ...prose("streamctl help TOPIC prints what there is to know of:"),
      ...Object.entries(TOPICS).flatMap(([name, about]) => [".TP", bold(name), escaped(about)]),
    ]),
    section("Options of every command", COMMON_FLAGS.flatMap(flagItem)),
    section("Connection", withFlags(TOPIC_TEXTS.connection)),
    section("Positions, durations and sizes", text(TOPIC_TEXTS.positions)),
    section("Exit status", EXIT_STATUS),
    section("Environment", text(TOPIC_TEXTS.environment)),
    section("Files", text(TOPIC_TEXTS.configuration)),
    seeAlso(
      ["streamctl-exec", 7],
      ["streamctl-formats", 7],
      ...commands.map(({ path }) => [pageOf(path), 1] as const),
    ),
  ]);
}

function commandPage(
  path: string,
  { about, notes, examples = [] }: CommandDefinition,
  command: Command,
): string {
  const operands = command.registeredArguments.flatMap((argument) => [
    ".TP",
    operand(argument.required ? `<${argument.name()}>` : `[${argument.name()}]`),
    escaped(
      [
        argument.description,
        ...(argument.argChoices ? [`one of: ${argument.argChoices.join(", ")}`] : []),
      ].join("; "),
    ),
  ]);
  const options = new Map<string, string[]>();
  for (const option of command.options) {
    const flag = flagOf(option);
    const heading = (flag?.heading ?? "Options").replace(/:$/, "");
    if (flag) options.set(heading, [...(options.get(heading) ?? []), ...flagItem(flag)]);
  }
  const usage = command.createHelp().commandUsage(command).split(" ").map(operand).join(" ");
  const related = [
    ["streamctl", 1],
    ...(usesHandlers(path) ? [["streamctl-exec", 7]] : []),
    ["streamctl-formats", 7],
  ] as const;
  return page(pageOf(path), 1, about, [
    section("Synopsis", [usage]),
    section("Description", notes === undefined ? [escaped(`${upper(about)}.`)] : text(notes.trim())),
    section("Arguments", operands),
    ...(options.size === 1
      ? [section("Options", [...options.values()][0] ?? [])]
      : [
          section(
            "Options",
            [...options].flatMap(([heading, items]) => [`.SS ${escaped(heading)}`, ...items]),
          ),
        ]),
    section("Examples", verbatim(examples)),
    section("Exit status", prose("As of every command: see streamctl(1).")),
    seeAlso(...(related as readonly (readonly [string, number])[])),
  ]);
}

function usesHandlers(path: string): boolean {
  return path === "consume" || path.startsWith("dlq ");
}

function execPage(tree: ReadonlyMap<string, Command>): string {
  const flags = (tree.get("consume")?.options ?? [])
    .flatMap((option) => flagOf(option) ?? [])
    .filter(({ heading }) => heading === "Running a command for each entry:");
  const [main = "", examples = ""] = TOPIC_TEXTS.exec.split(/^Examples:\n/m);
  return page("streamctl-exec", 7, TOPICS.exec, [
    section("Description", text(main.trim())),
    section("Options of streamctl consume", flags.flatMap(flagItem)),
    section("Examples", verbatim(examples.split("\n").map((line) => line.trim()))),
    seeAlso(
      ["streamctl", 1],
      ["streamctl-consume", 1],
      ["streamctl-dlq-list", 1],
      ["streamctl-dlq-replay", 1],
    ),
  ]);
}

function formatsPage(): string {
  return page("streamctl-formats", 7, "entries as JSON, rows, positions and exit codes", [
    section("Description", text(TOPIC_TEXTS.formats)),
    section("Positions, durations and sizes", text(TOPIC_TEXTS.positions)),
    section("Exit status", EXIT_STATUS),
    seeAlso(["streamctl", 1], ["streamctl-produce", 1], ["streamctl-consume", 1]),
  ]);
}

function page(name: string, part: number, about: string, sections: readonly string[]): string {
  const heads = [name.toUpperCase(), String(part), "", `streamctl ${manifest.version}`, "streamctl"];
  return [
    String.raw`.\" Written by npm run docs, from the declarations of commands and flags.`,
    `.TH ${heads.map((head) => `"${escaped(head)}"`).join(" ")}`,
    // As it is typed: no hyphens are put into words, and lines are not stretched.
    ".nh",
    ".ad l",
    ".SH NAME",
    `${escaped(name)} \\- ${escaped(about)}`,
    ...sections.filter((one) => one !== ""),
    "",
  ].join("\n");
}

/** Nothing when there is nothing to say. */
function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : [`.SH ${escaped(title.toUpperCase())}`, ...lines].join("\n");
}

function seeAlso(...pages: readonly (readonly [name: string, part: number])[]): string {
  return section("See also", [pages.map(([name, part]) => reference(name, part)).join(",\n")]);
}

function reference(name: string, part: number): string {
  return `${bold(name)}(${part})`;
}

function flagItem({ spec, about, choices, required, many, default: byDefault, otherwise }: Flag): string[] {
  const fallback = byDefault ?? otherwise;
  const extra = [
    ...(choices ? [`one of: ${choices.join(", ")}`] : []),
    ...(required === undefined ? [] : ["required"]),
    ...(fallback === undefined ? [] : [`default: ${fallback}`]),
    ...(many && !about.includes("repeat") ? ["may be repeated"] : []),
  ];
  const words = spec
    .split(/(?<=,) | /)
    .map((word) =>
      word.startsWith("-") ? bold(word.replace(/,$/, "")) + (word.endsWith(",") ? "," : "") : operand(word),
    );
  return [".TP", words.join(" "), escaped(extra.length === 0 ? about : `${about} (${extra.join("; ")})`)];
}

/** `<id...>`, `[pattern]`, `-g` or a word, as manuals show them. */
function operand(word: string): string {
  const [, open = "", name = "", more = "", close = ""] =
    /^([<[])([^\]>.]+)(\.\.\.)?([>\]])$/.exec(word) ?? [];
  if (name === "") return bold(word);
  const shown = String.raw`\fI${escaped(name)}\fR${more === "" ? "" : " ..."}`;
  return open === "[" ? `[${shown}${close}` : shown;
}

/** The text of a topic or a command's notes: paragraphs, lists and examples. */
function text(source: string): string[] {
  return source
    .trim()
    .split(/\n\n+/)
    .flatMap((block) => [".PP", ...blockLines(block.split("\n"))])
    .slice(1);
}

function blockLines(lines: readonly string[]): string[] {
  const done: string[] = [];
  let kept: string[] = [];
  let listed = false;
  const flush = (): void => {
    if (kept.length > 0) done.push(...verbatim(kept.map((line) => line.replace(/^ {2}/, ""))));
    kept = [];
  };
  for (const run of runsOf(lines)) {
    if (typeof run === "string") {
      kept.push(run);
      continue;
    }
    flush();
    if (run.indent > 0) done.push(".TP", bold(run.head.trim()), escaped(run.text));
    else done.push(...(listed ? [".PP"] : []), ...prose(run.text));
    listed = run.indent > 0;
  }
  flush();
  return done;
}

/** With the flags of the connection where the text has its mark. */
function withFlags(source: string): string[] {
  const [before = "", after = ""] = source.split(`${FLAGS}\n`);
  return [...text(before), ...CONNECTION_FLAGS.flatMap(flagItem), ".PP", ...text(after)];
}

function prose(source: string): string[] {
  return [escaped(source)];
}

function verbatim(lines: readonly string[]): string[] {
  const shown = lines.filter((line) => line !== "");
  return shown.length === 0 ? [] : [".RS 4", ".nf", ...shown.map(escaped), ".fi", ".RE"];
}

function bold(word: string): string {
  return String.raw`\fB${escaped(word)}\fR`;
}

function upper(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

/** As roff prints it: no request, no escape, ASCII's own dashes and quotes. */
function escaped(source: string): string {
  return source
    .replaceAll("\\", String.raw`\e`)
    .replaceAll("-", String.raw`\-`)
    .replaceAll("'", String.raw`\(aq`)
    .replaceAll("`", String.raw`\(ga`)
    .replaceAll("^", String.raw`\(ha`)
    .replaceAll("~", String.raw`\(ti`)
    .replaceAll('"', String.raw`\(dq`)
    .replaceAll(
      /[^\0-\x7f]/gu,
      (character) =>
        String.raw`\[u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`,
    )
    .replaceAll(/^[.]/gm, String.raw`\&$&`);
}
