import { open, type FileHandle } from "node:fs/promises";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { errorText, UsageError } from "../../errors.ts";
import { mustBeReadable } from "../../lib/text-input.ts";
import { Input } from "../../lib/input.ts";
import { entriesFormat, LineSource, ndjsonFormat, plainFormat } from "./line-source.ts";
import { type EntrySource, SingleEntry } from "./source.ts";

export interface InputOptions {
  /** The fields of one entry; when there are any, nothing is read. */
  readonly fields: readonly Buffer[];
  readonly form: "ndjson" | "lines" | "csv" | "tsv" | "entries";
  /** With `lines`: the name of the field. */
  readonly field: string;
  /** Undefined is stdin. What is called `….gz` must be gzip; what else is gzip is unpacked, too. */
  readonly file: string | undefined;
  /** The file of a JSON Schema that every entry has to match. */
  readonly schema: string | undefined;
  readonly skipLines: number;
  readonly maxLine: number;
}

interface Environment {
  readonly cwd: string;
  readonly stdin: Readable;
  /** Ends the reading. */
  readonly signal: AbortSignal;
  readonly onWarning: (message: string) => void;
}

interface OpenInput {
  readonly stream: Readable;
  /** In bytes, where it is known. */
  readonly size: number | undefined;
  /** How much of that has been read. */
  readonly consumed?: () => number;
  readonly gzip: boolean;
}

/** Larger chunks of a file mean fewer turns of the event loop. */
const FILE_CHUNK = 256 * 1024;

/** The source that the options describe, and its size in bytes where that is known. Throws UsageError. */
export async function openSource(
  options: InputOptions & Environment,
): Promise<{ source: EntrySource; size: number | undefined }> {
  const { schema, cwd, form } = options;
  const check =
    schema === undefined
      ? undefined
      : await (await import("./schema.ts")).loadSchema(resolve(cwd, schema), options.onWarning);
  const { source, size } = await openUnchecked(options);
  if (check === undefined) return { source, size };
  const { CheckedSource, fieldsValue, lineValue } = await import("./schema-source.ts");
  const byLine = form === "ndjson" && options.fields.length === 0;
  return { source: new CheckedSource(source, check, byLine ? lineValue : fieldsValue), size };
}

async function openUnchecked(
  options: InputOptions & Environment,
): Promise<{ source: EntrySource; size: number | undefined }> {
  if (options.fields.length > 0) return { source: new SingleEntry(options.fields), size: undefined };
  const { stream, size, consumed, gzip } = await openStream(options);
  const binary = options.form === "lines";
  const input = new Input(stream, options.signal, { consumed, gzip, binary });
  return { source: await makeSource(input, options), size };
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

async function openStream(options: InputOptions & Environment): Promise<OpenInput> {
  const { file, cwd, stdin } = options;
  if (file === undefined) {
    try {
      mustBeReadable(stdin);
    } catch (error) {
      throw new UsageError(`can't read stdin: ${errorText(error)}`, { cause: error });
    }
    return { stream: stdin, size: undefined, gzip: false };
  }
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
  const size = stats.isFile() ? stats.size : undefined;
  return { stream, size, consumed: () => stream.bytesRead, gzip: /\.gz$/i.test(file) };
}
