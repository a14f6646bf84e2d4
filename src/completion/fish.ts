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
    ...(command.streams === "none" ? [] : [`${start} -a ${quote(streamNames(program))}`]),
    ...command.options.map((option) => `${start} ${optionSpec(option)}`),
    ...command.subcommands.flatMap((child) => lines(child, program, [...path, child.name])),
  ];
}

function streamNames(program: string): string {
  return `(${program} __complete streams --connect-timeout 1s -- (commandline -ct) 2>/dev/null </dev/null)`;
}

function optionSpec({ short, long, description, value }: CompletionOption): string {
  const parts: string[] = [];
  if (short !== undefined) parts.push(`-s ${short.slice(1)}`);
  if (long !== undefined) parts.push(`-l ${long.slice(2)}`);
  if (value.kind === "choices") parts.push(`-x -a ${quote(value.choices.join(" "))}`);
  else if (value.kind === "file") parts.push("-r -F");
  else if (value.kind === "text") parts.push("-x");
  parts.push(`-d ${quote(description)}`);
  return parts.join(" ");
}

function quote(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
