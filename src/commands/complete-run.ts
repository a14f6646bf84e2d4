import { commandOf, readLine } from "../completion/line.ts";
import { lookUp, offered } from "../completion/look-up.ts";
import { resolveConfig } from "../config/resolve.ts";
import type { Context } from "../context.ts";
import { startTimer } from "../lib/timer.ts";
import type { Invocation } from "./command.ts";

/** All of it together; and a server that is silent for this long is given up before. */
const COMPLETE_MS = 1_500;
const SILENT_MS = 1_000;

/** Scripts take silence for an answer: it never fails, asks nothing and takes no longer than a moment. */
export async function run(
  context: Context,
  [text]: readonly [string],
  _flags: unknown,
  { tree }: Invocation,
): Promise<void> {
  const late = new AbortController();
  const timer = startTimer(COMPLETE_MS, () => late.abort());
  context.defer(() => timer.stop());
  const signal = AbortSignal.any([context.stop, late.signal]);
  const gaveUp = new Promise<string[]>((resolve) => {
    signal.addEventListener("abort", () => resolve([]), { once: true });
  });
  const names = await Promise.race([find(context, tree, text, signal).catch(() => []), gaveUp]);
  timer.stop();
  await context.output.write(names.map((name) => `${name}\n`).join(""));
}

async function find(
  context: Context,
  tree: Invocation["tree"],
  text: string,
  signal: AbortSignal,
): Promise<string[]> {
  const line = readLine(await tree(commandOf(await tree("__complete"), text)), text);
  const { wanted, prefix, globals } = line;
  if (wanted === undefined) return [];
  const flags = { ...globals, askpass: undefined, connectTimeout: SILENT_MS, commandTimeout: SILENT_MS };
  const config = await resolveConfig(flags, context.io);
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
