import type { Readable } from "node:stream";
import { parseEntryId } from "../../entry/id.ts";
import { LineCutter } from "../worker/lines.ts";

/** A line of the input that names no entry. */
export interface BadId {
  readonly line: number;
  readonly text: string;
}

/**
 * The entry IDs in a stream of lines, chunk by chunk as they come. A line is an ID, or a row that another
 * command printed as JSON: an object with an `id`. Empty lines are passed over. Reading ends at the
 * signal, which destroys the input.
 */
export async function* readIds(
  input: Readable,
  options: { readonly signal: AbortSignal; readonly onBad: (bad: BadId) => void },
): AsyncGenerator<string[]> {
  const { signal, onBad } = options;
  const onAbort = (): void => void input.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const cutter = new LineCutter();
  let line = 0;
  const parse = (lines: Buffer | undefined): string[] => {
    const ids: string[] = [];
    for (const text of lines?.toString("utf8").split("\n").slice(0, -1) ?? []) {
      line++;
      if (text.trim() === "") continue;
      const id = idOfLine(text.trim());
      if (id === undefined) onBad({ line, text });
      else ids.push(id);
    }
    return ids;
  };
  try {
    for await (const chunk of input) yield parse(cutter.push(Buffer.from(chunk as Buffer | string)));
    yield parse(cutter.end());
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function idOfLine(text: string): string | undefined {
  if (!text.startsWith("{")) return parseEntryId(text);
  try {
    const row: unknown = JSON.parse(text);
    const id = row !== null && typeof row === "object" ? (row as { id?: unknown }).id : undefined;
    return typeof id === "string" ? parseEntryId(id) : undefined;
  } catch {
    return undefined;
  }
}
