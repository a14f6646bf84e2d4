import { Argument, type Command } from "commander";
import type { Shell } from "../completion/script.ts";
import type { Context } from "../context.ts";
import type { Act } from "../program.ts";

const SHELLS = ["bash", "zsh", "fish"] as const satisfies readonly Shell[];

export function defineCompletion(program: Command, act: Act): void {
  program
    .command("completion")
    .description("print a script that completes commands and flags in a shell")
    .addArgument(new Argument("<shell>", "which shell").choices([...SHELLS]))
    .action(act((context, [shell]) => completion(context, program, shell as Shell)))
    .addHelpText(
      "after",
      `
Examples:
  echo 'eval "$(streamctl completion bash)"' >> ~/.bashrc
  streamctl completion zsh > "\${fpath[1]}/_streamctl"
  streamctl completion fish > ~/.config/fish/completions/streamctl.fish`,
    );
}

async function completion(context: Context, program: Command, shell: Shell): Promise<void> {
  const { completionScript } = await import("../completion/script.ts");
  await context.output.write(completionScript(shell, program));
}
