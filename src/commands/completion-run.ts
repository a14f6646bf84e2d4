import { completionScript, type Shell } from "../completion/script.ts";
import type { Context } from "../context.ts";

export async function run(context: Context, [shell]: readonly [Shell]): Promise<void> {
  await context.output.write(completionScript(shell));
}
