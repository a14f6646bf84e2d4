import type { Context } from "../context.ts";
import type { JudgeOrigin } from "../engine/claim/id-source.ts";
import { type EntryId, parseEntryId } from "../entry/id.ts";
import type { GroupName, StreamKey } from "../entry/names.ts";
import { UsageError } from "../errors.ts";

/** No more IDs than this are named one by one on stderr; -v names all. */
const NAMED = 10;

/**
 * The IDs that a command got: its arguments, or with `-` the lines of stdin. Fails with exit 2 for an
 * argument that is no ID; a line that is none, or a row that `judge` refuses, is told on `rejects`.
 */
export async function* givenIds(
  context: Context,
  args: readonly string[],
  rejects: Rejects,
  judge: JudgeOrigin,
): AsyncGenerator<readonly EntryId[]> {
  if (args.includes("-")) {
    const { readIds } = await import("../engine/claim/id-source.ts");
    yield* readIds(context.io.stdin, {
      signal: context.stop,
      judge,
      onBad: ({ line, reason }) => rejects.add(`line ${line} ${reason}`),
    });
  } else yield [...new Set(args.map((arg) => parseEntryId(arg) as EntryId))];
}

/** Rows of another stream or group name entries that only by chance have the same IDs here. */
export function ofGroup(stream: StreamKey, group: GroupName): JudgeOrigin {
  return (row) => {
    if (row.stream !== undefined && row.stream !== stream) return `stream ${row.stream}, not ${stream}`;
    if (row.group !== undefined && row.group !== group) return `group ${row.group}, not ${group}`;
    return undefined;
  };
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
