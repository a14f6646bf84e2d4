import type { Readable } from "node:stream";
import { type EntryId, parseEntryId } from "../../entry/id.ts";
import { COLON, JsonFault, JsonScanner, OBJECT, OBJECT_END, QUOTE } from "../../entry/json-scan.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { StreamctlError, UsageError } from "../../errors.ts";
import { mustBeReadable, NoText, textChunks } from "../../lib/text-input.ts";
import { eachLine, LineCutter } from "../../lib/lines.ts";

/** The longest row that is read; it holds an entry's data as JSON, of which only the ID is wanted. */
const MAX_ROW = 256 * 1024 * 1024;

/** A line of the input that names no entry, and why. */
export interface BadId {
  readonly line: number;
  readonly reason: string;
}

/** What rows say their entry is of; a name that is no UTF-8 is left out. */
export interface RowOrigin {
  readonly stream?: StreamKey;
  readonly group?: GroupName;
  readonly dlq?: StreamKey;
}

/** Why a row is of something else than what is worked on; undefined when it may be. */
export type JudgeOrigin = (origin: RowOrigin) => string | undefined;

/**
 * The entry IDs in a stream of lines, chunk by chunk as they come. A line is an ID, or a row that another
 * command printed as JSON: an object with an `id`. `judge` refuses rows by what they say of themselves. Empty
 * lines are passed over. Reading ends at the signal, which destroys the input.
 */
export async function* readIds(
  input: Readable,
  options: {
    readonly signal: AbortSignal;
    readonly judge: JudgeOrigin;
    readonly onBad: (bad: BadId) => void;
  },
): AsyncGenerator<EntryId[]> {
  const { signal, judge, onBad } = options;
  const onAbort = (): void => void input.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  let line = 0;
  const onTooLong = (): void =>
    onBad({ line: ++line, reason: `is longer than ${MAX_ROW / 1024 / 1024} MiB: give its ID alone` });
  const cutter = new LineCutter({ maxLine: MAX_ROW, onTooLong });
  const scanner = new JsonScanner();
  const parse = (lines: Buffer | undefined): EntryId[] => {
    const ids: EntryId[] = [];
    for (const bytes of eachLine(lines ?? NOTHING)) {
      line++;
      const { id, origin } = readLine(scanner, bytes);
      const foreign = origin && judge(origin);
      if (line === 1 && id === undefined && isCsvHeader(bytes))
        throw new UsageError("stdin is CSV, of whose values a line may look like the ID of another entry", {
          hint: "print the rows with -o ndjson",
        });
      if (id === undefined) onBad({ line, reason: `is no entry ID: ${bytes.toString("utf8", 0, SHOWN)}` });
      else if (foreign !== undefined) onBad({ line, reason: `is of ${foreign}: ${id}` });
      else if (id !== "") ids.push(id);
    }
    return ids;
  };
  try {
    mustBeReadable(input);
    for await (const chunk of textChunks(input)) yield parse(cutter.push(chunk));
    yield parse(cutter.end());
  } catch (error) {
    if (error instanceof NoText)
      throw new StreamctlError("failed", `could not read stdin: ${error.message}`, { cause: error });
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

const NOTHING = Buffer.alloc(0);
const SHOWN = 80;
/** No ID, white space included, is longer. */
const LONGEST_ID = 100;

/** The first line of what `-o csv` prints. A value has line ends of its own there, between quotes. */
function isCsvHeader(line: Buffer): boolean {
  return /^\w+(,\w+)+\s*$/.test(line.toString("latin1", 0, LONGEST_HEADER)) && line.includes(",id,");
}

const LONGEST_HEADER = 1_000;

/** A line's ID, empty for an empty line and undefined when it names none; with what it is of, if it is a row. */
interface Line {
  readonly id: EntryId | "" | undefined;
  readonly origin?: RowOrigin;
}

function readLine(scanner: JsonScanner, line: Buffer): Line {
  scanner.open(line, 0, line.length);
  const first = scanner.peek();
  if (first < 0) return { id: "" };
  if (first === OBJECT) return readRow(scanner);
  return { id: line.length > LONGEST_ID ? undefined : parseEntryId(line.toString("utf8").trim()) };
}

const ORIGINS: ReadonlySet<string> = new Set(["stream", "group", "dlq"] satisfies (keyof RowOrigin)[]);

/** Of a row nothing else is looked at but whether it is whole. */
function readRow(scanner: JsonScanner): Line {
  let id: EntryId | undefined;
  const origin: Record<string, string> = {};
  try {
    scanner.expect(OBJECT);
    if (scanner.peek() === OBJECT_END) return { id: undefined };
    do {
      scanner.string();
      const name = scanner.text();
      scanner.expect(COLON);
      if ((name === "id" || ORIGINS.has(name)) && scanner.peek() === QUOTE) {
        scanner.string();
        if (name === "id") id = parseEntryId(scanner.text());
        else origin[name] = scanner.text();
      } else scanner.value();
    } while (scanner.more(OBJECT_END));
    scanner.finish();
    return { id, origin };
  } catch (error) {
    if (error instanceof JsonFault) return { id: undefined };
    throw error;
  }
}
