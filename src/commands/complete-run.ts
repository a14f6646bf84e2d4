import { commandOf, readLine, type TypedLine } from "../completion/line.ts";
import { resolveConfig } from "../config/resolve.ts";
import type { Context } from "../context.ts";
import { startTimer } from "../lib/timer.ts";
import type { Invocation } from "./command.ts";
import type { Names } from "./flag.ts";

/** All of it together; and a server that is silent for this long is given up before. */
const COMPLETE_MS = 1_500;
const SILENT_MS = 1_000;

/**
 * Answers with a line for each word that may stand at the cursor, and a tab and what it is where that is known;
 * and with a line that begins with a tab where files are wanted (`files`), or nothing that a shell could know
 * (`nothing`: the names of a server). It never fails, asks nothing and takes no longer than a moment.
 */
export async function run(
  context: Context,
  [text]: readonly [string],
  _flags: unknown,
  { tree }: Invocation,
): Promise<void> {
  const line = await read(tree, text);
  const answer = line.words.map(({ word, about }) => (about === "" ? word : `${word}\t${about}`));
  if (line.files) answer.push("\tfiles");
  if (line.wanted !== undefined) answer.push(...(await names(context, line, line.wanted)), "\tnothing");
  await context.output.write(answer.map((one) => `${one}\n`).join(""));
}

async function read(tree: Invocation["tree"], text: string): Promise<TypedLine> {
  const first = commandOf(await tree("__complete"), text);
  // What stands at the place of the command, or behind help, may be any of them.
  return readLine(await (first === undefined || first === "help" ? tree() : tree(first)), text);
}

async function names(context: Context, line: TypedLine, wanted: Names): Promise<string[]> {
  const late = new AbortController();
  const timer = startTimer(COMPLETE_MS, () => late.abort());
  context.defer(() => timer.stop());
  const signal = AbortSignal.any([context.stop, late.signal]);
  const gaveUp = new Promise<string[]>((resolve) => {
    signal.addEventListener("abort", () => resolve([]), { once: true });
  });
  const found = await Promise.race([find(context, line, wanted, signal).catch(() => []), gaveUp]);
  timer.stop();
  return found;
}

async function find(
  context: Context,
  line: TypedLine,
  wanted: Names,
  signal: AbortSignal,
): Promise<string[]> {
  const { prefix, globals } = line;
  const flags = { ...globals, askpass: undefined, connectTimeout: SILENT_MS, commandTimeout: SILENT_MS };
  const [config, { lookUp, offered }] = await Promise.all([
    resolveConfig(flags, context.io),
    import("../completion/look-up.ts"),
  ]);
  if (wanted === "profiles")
    return offered(
      config.files.flatMap(({ profiles }) => [...profiles.keys()]),
      prefix,
    ).sort();
  // There is nobody who could answer.
  if (config.secrets.ask) return [];
  const connection = await context.elsewhere(config, signal).connect();
  return lookUp(connection, wanted, { line, dlqTemplate: config.dlqTemplate, signal });
}
