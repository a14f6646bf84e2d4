import { open, type FileHandle } from "node:fs/promises";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { errorText, UsageError } from "../../errors.ts";
import { Input } from "./input.ts";
import { entriesFormat, LineSource, ndjsonFormat, plainFormat } from "./line-source.ts";
import { type EntrySource, SingleEntry } from "./source.ts";

export interface InputOptions {
  /** The fields of one entry; when there are any, nothing is read. */
  readonly fields: readonly Buffer[];
  readonly form: "ndjson" | "lines" | "csv" | "tsv" | "entries";
  /** With `lines`: the name of the field. */
  readonly field: string;
  /** Undefined is stdin. */
  readonly file: string | undefined;
  readonly skipLines: number;
  readonly maxLine: number;
}

interface Surroundings {
  readonly cwd: string;
  readonly stdin: Readable;
  /** Ends the reading. */
  readonly signal: AbortSignal;
}

/** Larger chunks of a file mean fewer turns of the event loop. */
const FILE_CHUNK = 256 * 1024;

/** The source that the options describe, and its size in bytes where that is known. Throws UsageError. */
export async function openSource(
  options: InputOptions & Surroundings,
): Promise<{ source: EntrySource; size: number | undefined }> {
  if (options.fields.length > 0) return { source: new SingleEntry(options.fields), size: undefined };
  const { stream, size } = await openStream(options);
  return { source: await makeSource(new Input(stream, options.signal), options), size };
}

async function makeSource(input: Input, options: InputOptions): Promise<EntrySource> {
  const { form } = options;
  switch (form) {
    case "ndjson":
      return new LineSource(input, ndjsonFormat(), options);
    case "entries":
      return new LineSource(input, entriesFormat(), options);
    case "lines":
      return new LineSource(input, plainFormat(options.field), options);
    case "csv":
    case "tsv": {
      const { CsvSource } = await import("./csv-source.ts");
      return new CsvSource(input, { ...options, form });
    }
  }
}

async function openStream(
  options: InputOptions & Surroundings,
): Promise<{ stream: Readable; size: number | undefined }> {
  const { file, cwd, stdin } = options;
  if (file === undefined) return { stream: stdin, size: undefined };
  let handle: FileHandle;
  try {
    handle = await open(resolve(cwd, file));
  } catch (error) {
    throw new UsageError(`can't read --file: ${errorText(error)}`, { cause: error });
  }
  const stats = await handle.stat();
  if (stats.isDirectory()) {
    await handle.close();
    throw new UsageError(`can't read --file: ${file} is a directory`);
  }
  const stream = handle.createReadStream({ highWaterMark: FILE_CHUNK });
  return { stream, size: stats.isFile() ? stats.size : undefined };
}
