import { Argument, type Command } from "commander";
import type { Context } from "../context.ts";
import type { Act } from "../program.ts";

/** What completion scripts call for names that only Redis knows. They take silence for an answer. */
export function defineComplete(program: Command, act: Act): void {
  program
    .command("__complete", { hidden: true })
    .addArgument(new Argument("<what>").choices(["streams"]))
    .argument("[prefix]")
    .action(act((context, [, prefix]) => complete(context, prefix)));
}

const LIMITS = { names: 200, timeMs: 500 };

async function complete(context: Context, prefix = ""): Promise<void> {
  const { streamNames } = await import("../completion/stream-names.ts");
  const names = await streamNames(await context.connect(), prefix, LIMITS);
  await context.output.write(names.map((name) => `${name}\n`).join(""));
}
