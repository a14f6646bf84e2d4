import type { CommandModule } from "../program.ts";

/** Every command, in the order of the help text. */
export const commands: readonly CommandModule[] = [];
