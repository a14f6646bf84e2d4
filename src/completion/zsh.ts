import { type CompletionCommand, type CompletionOption, flagsOf } from "./tree.ts";

/** A script for zsh's own completion system: a file named _streamctl on $fpath, or sourced after compinit. */
export function zshCompletion(root: CompletionCommand): string {
  return `#compdef ${root.name}
# zsh completion for ${root.name}; made by: ${root.name} completion zsh
_${root.name}_names() {
  local -a names
  names=(\${(f)"$(${root.name} __complete -- "$_${root.name}_line" 2>/dev/null </dev/null)"})
  compadd -a names
}

${functions(root, [root.name]).join("\n")}
if [[ $funcstack[1] == _${root.name} ]]; then
  _${root.name} "$@"
else
  compdef _${root.name} ${root.name}
fi
`;
}

/** One function for each command, children first. */
function functions(command: CompletionCommand, path: readonly string[]): string[] {
  const name = `_${path.join("_")}`;
  const [program = ""] = path;
  const specs = command.options.map((option) => `    ${optionSpec(program, option)} \\`);
  const children = command.subcommands.flatMap((child) => functions(child, [...path, child.name]));
  if (command.subcommands.length === 0) {
    const operands = operandSpecs(command, program).join(" ");
    return [`${name}() {\n  _arguments -s -S \\\n${specs.join("\n")}\n    ${operands}\n}\n`];
  }
  const choices = command.subcommands.map((child) =>
    quote(`${describeName(child.name)}:${child.description}`),
  );
  const dispatch = command.subcommands.map(
    (child) => `        ${child.name}) _${[...path, child.name].join("_")} ;;`,
  );
  return [
    ...children,
    `${name}() {
${path.length === 1 ? `  # The whole line up to the cursor: below, words and PREFIX are cut to their parts.\n  local _${program}_line="\${(j: :)words[1,CURRENT-1]} $PREFIX"\n` : ""}  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C -s -S \\
${specs.join("\n")}
    '1: :->command' \\
    '*:: :->rest'
  case $state in
    command)
      local -a commands
      commands=(
${choices.map((choice) => `        ${choice}`).join("\n")}
      )
      _describe -t commands command commands
      ;;
    rest)
      case $line[1] in
${dispatch.join("\n")}
      esac
      ;;
  esac
}
`,
  ];
}

function operandSpecs(command: CompletionCommand, program: string): string[] {
  if (command.choices.length > 0) return [`'1:argument:(${command.choices.join(" ")})'`];
  return [command.names ? `'*:name:_${program}_names'` : "'*::argument:_default'"];
}

/** `'(-o --output)'{-o,--output}'[output format]:format:(table json)'` */
function optionSpec(program: string, option: CompletionOption): string {
  const flags = flagsOf(option);
  const { value } = option;
  const takesValue = value.kind !== "none";
  const described = `[${option.description.replace(/[[\]\\:]/g, "\\$&")}]`;
  const argument = takesValue ? valueSpec(program, option) : "";
  // A long option's value may follow a sign.
  const named = flags.map((flag) => (takesValue && flag.startsWith("--") ? `${flag}=` : flag));
  if (named.length === 1) return quote(`${named[0]}${described}${argument}`);
  return `${quote(`(${flags.join(" ")})`)}{${named.join(",")}}${quote(`${described}${argument}`)}`;
}

function valueSpec(program: string, { value }: CompletionOption): string {
  switch (value.kind) {
    case "none":
      return "";
    case "choices":
      return `:value:(${value.choices.join(" ")})`;
    case "file":
      return ":file:_files";
    case "names":
      return `:${value.name}:_${program}_names`;
    case "text":
      return `:${value.name.replace(/[\\:]/g, "\\$&")}: `;
  }
}

function describeName(name: string): string {
  return name.replaceAll(":", "\\:");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
