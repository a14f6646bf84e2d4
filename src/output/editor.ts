import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EntryDraft } from "../entry/entry-draft.ts";
import { JsonDecoder } from "../entry/json-decode.ts";
import { JsonBytes, writeFields } from "../entry/json-encode.ts";
import { JsonFault } from "../entry/json-scan.ts";
import { StreamctlError, UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import { safeText } from "./safe-text.ts";

/** Opens entries in $VISUAL or $EDITOR. */
export class Editor {
  readonly #io: Io;
  readonly #lend: (use: () => Promise<void>) => Promise<void>;
  readonly #signal: AbortSignal;

  /** `lend` runs what has the terminal for itself; the signal ends a question. */
  constructor(io: Io, lend: (use: () => Promise<void>) => Promise<void>, signal: AbortSignal) {
    this.#io = io;
    this.#lend = lend;
    this.#signal = signal;
  }

  /**
   * Shows an entry's fields as JSON below some lines about it, and gives what the fields are afterwards: the same
   * bytes where nothing was changed. Text that is no entry any more can be edited again on a terminal. Throws
   * UsageError when it is left so.
   */
  async edit(id: string, about: readonly string[], fields: readonly Buffer[]): Promise<readonly Buffer[]> {
    const io = this.#io;
    const folder = await mkdtemp(join(tmpdir(), "streamctl-edit-"));
    const file = join(folder, `${id}.json`);
    try {
      await writeFile(file, editableText(about, fields), { mode: 0o600 });
      for (;;) {
        await this.#lend(() => runEditor(io, file));
        try {
          return readEntry(id, await readFile(file));
        } catch (error) {
          if (!(error instanceof UsageError) || !io.stdin.isTTY || !io.stderr.isTTY) throw error;
          const { askYesNo } = await import("./prompt.ts");
          io.stderr.write(`${safeText(error.message)}\n`);
          if (!(await askYesNo(io, "Edit it again?", { suggested: true, signal: this.#signal }))) throw error;
        }
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

/** What a line begins with that says something about the entry. No line of its JSON begins so. */
const COMMENT = "//";

/** The JSON form of an entry with a field a line. */
function editableText(about: readonly string[], fields: readonly Buffer[]): Buffer {
  const whole = new JsonBytes();
  writeFields(whole, fields);
  const asObject = whole.take()[0] === 0x7b;
  const out = new JsonBytes();
  for (const line of about) out.raw(`${COMMENT} `).bytes(Buffer.from(`${safeText(line)}\n`));
  out.raw(asObject ? '{\n  "fields": {' : '{\n  "fields": [');
  for (let at = 0; at + 1 < fields.length; at += 2) {
    out.raw(at === 0 ? "\n    " : ",\n    ");
    if (!asObject) out.raw("[");
    out.value(fields[at] as Buffer).raw(asObject ? ": " : ", ");
    out.value(fields[at + 1] as Buffer);
    if (!asObject) out.raw("]");
  }
  out.raw(asObject ? "\n  }\n}\n" : "\n  ]\n}\n");
  return out.take();
}

/** The setting may hold flags (`code --wait`), so a shell reads it; the file's name is an argument of its own. */
async function runEditor(io: Io, file: string): Promise<void> {
  const editor = io.env["VISUAL"] || io.env["EDITOR"] || "vi";
  // What the editor draws is for the terminal, also when stdout goes elsewhere.
  const child = spawn("sh", ["-c", `${editor} "$1"`, "sh", file], {
    stdio: ["inherit", io.stdout.isTTY ? "inherit" : 2, "inherit"],
    env: { ...io.env },
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  if (code !== 0)
    throw new StreamctlError(
      "failed",
      `the editor "${editor}" ended with ${signal ?? code}: nothing was replayed`,
      {
        hint: "set VISUAL or EDITOR",
      },
    );
}

function readEntry(id: string, text: Buffer): Buffer[] {
  const draft = new EntryDraft();
  try {
    const json = withoutComments(text);
    new JsonDecoder().entry(json, 0, json.length, draft);
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    const before = text.toString("utf8", 0, error.at).split("\n");
    throw new UsageError(
      `${id} was edited into something that is no entry: line ${before.length}, column ${(before.at(-1) ?? "").length + 1}: ${error.message}`,
      { hint: "it was not replayed", cause: error },
    );
  }
  return draft.fields();
}

/** Comments as spaces, so that every place stays where it is. */
function withoutComments(text: Buffer): Buffer {
  const json = Buffer.from(text);
  for (let at = 0; at < json.length;) {
    const end = json.indexOf(0x0a, at);
    const next = end < 0 ? json.length : end;
    if (json.latin1Slice(at, next).trimStart().startsWith(COMMENT)) json.fill(0x20, at, next);
    at = next + 1;
  }
  return json;
}
