import type { Context } from "../context.ts";
import { parseEntryId } from "../entry/id.ts";
import { UsageError } from "../errors.ts";

/** No more IDs than this are named one by one on stderr; -v names all. */
const NAMED = 10;

/**
 * The IDs that a command got: its arguments, or with `-` the lines of stdin. Fails with exit 2 for an
 * argument that is no ID; a line that is none is told on `rejects`.
 */
export async function* givenIds(
  context: Context,
  args: readonly string[],
  rejects: Rejects,
): AsyncGenerator<readonly string[]> {
  if (args.includes("-")) {
    const { readIds } = await import("../engine/claim/id-source.ts");
    yield* readIds(context.io.stdin, {
      signal: context.stop,
      onBad: ({ line, reason }) => rejects.add(`line ${line} ${reason}`),
    });
  } else yield [...new Set(args.map((arg) => parseEntryId(arg) as string))];
}

/** Fails with exit 2 for what is neither an ID nor `-` alone. */
export function checkIds(args: readonly string[]): void {
  if (args.includes("-") && args.length > 1)
    throw new UsageError("- reads all IDs from stdin: give no others");
  for (const arg of args) {
    if (arg !== "-" && parseEntryId(arg) === undefined)
      throw new UsageError(`${arg} is no entry ID`, { hint: "IDs look like 1694012345678-0" });
  }
}

/** Counts what could not be done, and says the first few of it. */
export class Rejects {
  readonly #context: Context;
  count = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  add(message: string): void {
    this.count++;
    if (this.count <= NAMED || this.#context.log.verbose) this.#context.log.warn(message);
  }

  /** At the end, how many were not named. */
  finish(): void {
    const more = this.count - NAMED;
    if (more > 0 && !this.#context.log.verbose)
      this.#context.log.warn(`… and ${more} more; -v names them all`);
  }
}
