import { completionScript, type Shell } from "../completion/script.ts";
import type { Context } from "../context.ts";
import type { Invocation } from "./command.ts";

export async function run(
  context: Context,
  [shell]: readonly [Shell],
  _flags: unknown,
  { tree }: Invocation,
): Promise<void> {
  await context.output.write(completionScript(shell, await tree()));
}
