import { type CompletionCommand, type CompletionOption } from "./tree.ts";

/** A script for fish ≥ 3.0. */
export function fishCompletion(root: CompletionCommand): string {
  return `# fish completion for ${root.name}; made by: ${root.name} completion fish
complete -c ${root.name} -f
${lines(root, root.name, []).join("\n")}
`;
}

function lines(command: CompletionCommand, program: string, path: readonly string[]): string[] {
  const names = command.subcommands.map(({ name }) => name);
  const here = [
    ...path.map((name) => `__fish_seen_subcommand_from ${name}`),
    ...(names.length > 0 ? [`not __fish_seen_subcommand_from ${names.join(" ")}`] : []),
  ].join("; and ");
  const start = `complete -c ${program} -n ${quote(here)}`;
  return [
    ...command.subcommands.map(({ name, description }) => `${start} -a ${name} -d ${quote(description)}`),
    ...command.choices.map((choice) => `${start} -a ${choice}`),
    ...(command.names ? [`${start} -a ${quote(knownNames(program))}`] : []),
    ...command.options.map((option) => `${start} ${optionSpec(program, option)}`),
    ...command.subcommands.flatMap((child) => lines(child, program, [...path, child.name])),
  ];
}

/** Asks with the line up to the cursor. */
function knownNames(program: string): string {
  return `(${program} __complete -- (commandline -cp | string collect) 2>/dev/null </dev/null)`;
}

function optionSpec(program: string, { short, long, description, value }: CompletionOption): string {
  const parts: string[] = [];
  if (short !== undefined) parts.push(`-s ${short.slice(1)}`);
  if (long !== undefined) parts.push(`-l ${long.slice(2)}`);
  if (value.kind === "choices") parts.push(`-x -a ${quote(value.choices.join(" "))}`);
  else if (value.kind === "file") parts.push("-r -F");
  else if (value.kind === "names") parts.push(`-x -a ${quote(knownNames(program))}`);
  else if (value.kind === "text") parts.push("-x");
  parts.push(`-d ${quote(description)}`);
  return parts.join(" ");
}

function quote(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
