import { commandsBelow, type CompletionCommand, flagsOf } from "./tree.ts";

/** A script for bash ≥ 3.2 that needs nothing else (not even the package bash-completion). */
export function bashCompletion(root: CompletionCommand): string {
  const all = [{ path: [] as readonly string[], command: root }, ...commandsBelow(root)];
  const steps = all
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => `      ${quote(path.join(" "))}) path=${quote(path.join(" "))} ;;`);
  return `# bash completion for ${root.name}; made by: ${root.name} completion bash
_${root.name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path= i
  COMPREPLY=()
  # Bash splits --output=json at the sign.
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -- ]] && return
    case "\${path:+$path }\${COMP_WORDS[i]}" in
${steps.join("\n")}
    esac
  done
  local words= flags= names=
  case $path in
${all.map(({ path, command }) => branch(root.name, path, command)).join("\n")}
  esac
  if [[ $cur == -* ]]; then words=$flags names=; fi
  local IFS=$' \\n'
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ $names ]]; then _${root.name}_names; fi
}
_${root.name}_names() {
  # Bash splits orders:eu at the colon: what is typed is the line's last word, what it wants is what follows.
  local line=\${COMP_LINE:0:COMP_POINT} name
  local typed=\${line##*[[:space:]]}
  local kept=\${typed%"$cur"}
  [[ $cur == : ]] && kept=$typed
  while IFS= read -r name; do
    COMPREPLY+=("\${name#"$kept"}")
  done < <(${root.name} __complete -- "$line" 2>/dev/null </dev/null)
}
complete -o default -F _${root.name} ${root.name}
`;
}

/** What follows one command of `program`: the values of its options, its subcommands, its flags. */
function branch(program: string, path: readonly string[], command: CompletionCommand): string {
  const lines: string[] = [];
  const texts: string[] = [];
  const names: string[] = [];
  for (const option of command.options) {
    const pattern = flagsOf(option).join("|");
    const { value } = option;
    if (value.kind === "choices") {
      const choices = quote(value.choices.join(" "));
      lines.push(`        ${pattern}) COMPREPLY=($(compgen -W ${choices} -- "$cur")); return ;;`);
    } else if (value.kind === "file") {
      lines.push(`        ${pattern}) COMPREPLY=($(compgen -f -- "$cur")); return ;;`);
    } else if (value.kind === "names") names.push(pattern);
    else if (value.kind === "text") texts.push(pattern);
  }
  if (names.length > 0)
    lines.push(`        ${names.join("|")}) compopt +o default 2>/dev/null; _${program}_names; return ;;`);
  if (texts.length > 0) lines.push(`        ${texts.join("|")}) return ;;`);
  const flags = command.options.flatMap(flagsOf).join(" ");
  return `    ${quote(path.join(" "))})
      case $prev in
${lines.join("\n")}
      esac
      words=${quote([...command.subcommands.map(({ name }) => name), ...command.choices].join(" "))}
      flags=${quote(flags)}
      names=${command.names ? "yes" : ""}
      ;;`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
