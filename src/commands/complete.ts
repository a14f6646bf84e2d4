import type { Command } from "commander";
import type { Context } from "../context.ts";
import type { Act } from "../program.ts";

/**
 * What completion scripts call for names that only the server or the configuration knows, with the line up to
 * the cursor. They take silence for an answer: it never fails, asks nothing and takes no longer than a moment.
 */
export function defineComplete(program: Command, act: Act): void {
  program
    .command("__complete", { hidden: true })
    .argument("<line>")
    .action(act((context, [line]) => complete(context, line)));
}

/** All of it together; and a server that is silent for this long is given up before. */
const COMPLETE_MS = 1_500;
const SILENT_MS = 1_000;

async function complete(context: Context, text = ""): Promise<void> {
  const { startTimer } = await import("../lib/timer.ts");
  const late = new AbortController();
  const timer = startTimer(COMPLETE_MS, () => late.abort());
  context.defer(() => timer.stop());
  const signal = AbortSignal.any([context.stop, late.signal]);
  const gaveUp = new Promise<string[]>((resolve) => {
    signal.addEventListener("abort", () => resolve([]), { once: true });
  });
  const names = await Promise.race([find(context, text, signal).catch(() => []), gaveUp]);
  timer.stop();
  await context.output.write(names.map((name) => `${name}\n`).join(""));
}

async function find(context: Context, text: string, signal: AbortSignal): Promise<string[]> {
  const [{ commandOf, readLine }, { buildProgram }, { resolveConfig }, { lookUp, offered }] =
    await Promise.all([
      import("../completion/line.ts"),
      import("../program.ts"),
      import("../config/resolve.ts"),
      import("../completion/look-up.ts"),
    ]);
  const nothing = (): (() => Promise<void>) => () => Promise.resolve();
  const name = commandOf(await buildProgram(nothing, "__complete"), text);
  const line = readLine(await buildProgram(nothing, name), text);
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
