import type { CommandModule } from "../program.ts";
import { defineCompletion } from "./completion.ts";
import { defineSandbox } from "./sandbox.ts";

/** Every command, in the order of the help text. */
export const commands: readonly CommandModule[] = [defineCompletion, defineSandbox];
