import { Buffer } from "node:buffer";
import type { EntryDraft } from "../../entry/entry-draft.ts";
import { ServerError } from "../../errors.ts";
import { encodeCommand, type Reply } from "../resp.ts";
import type { Caller } from "./caller.ts";
import type { Harmless } from "./rights.ts";
import { readCommand } from "./sent.ts";
import { type EntryEncoder, PER_STRING, writeBytes, writeFields } from "./encoder.ts";

export interface XaddOptions {
  /** Refuse to create the stream (NOMKSTREAM, Redis 6.2). */
  readonly noCreate: boolean;
  /** Trim by length, or by age (MINID, Redis 6.2): the encoder is told the ID as time goes by. */
  readonly trim: "none" | "length" | "age";
  readonly maxLength?: number | undefined;
  /** Trim to the exact entry, and not only whole nodes. */
  readonly exact: boolean;
}

/** One XADD per entry. */
export class XaddEncoder implements EntryEncoder {
  readonly #key: string;
  readonly #options: XaddOptions;
  #minId = "0-0";
  /** What precedes an entry's ID, by its number of strings; and the same with `*` for an ID. */
  #prefixes: Buffer[] = [];
  #automatic: Buffer[] = [];
  /** Arguments between the command's start and its ID. */
  #before: Harmless;

  constructor(key: string, options: XaddOptions) {
    this.#key = key;
    this.#options = options;
    this.#before = this.#argsBeforeId();
  }

  set minId(id: string) {
    this.#minId = id;
    this.#before = this.#argsBeforeId();
    this.#prefixes = [];
    this.#automatic = [];
  }

  get idIndex(): number {
    return this.#before.length;
  }

  probe(): Harmless {
    return [...this.#before, "0-0", "f", "v"];
  }

  size(draft: EntryDraft): number {
    return this.#prefix(draft).length + 64 + draft.bytes + draft.count * PER_STRING;
  }

  write(draft: EntryDraft, target: Buffer, offset: number): number {
    let at = writeBytes(this.#prefix(draft), target, offset);
    if (draft.id !== undefined) at += target.latin1Write(`$${draft.id.length}\r\n${draft.id}\r\n`, at);
    return writeFields(draft, target, at);
  }

  #prefix({ id, count }: EntryDraft): Buffer {
    if (id !== undefined) return (this.#prefixes[count] ??= this.#makePrefix(count, []));
    return (this.#automatic[count] ??= this.#makePrefix(count, ["*"]));
  }

  #makePrefix(count: number, id: readonly string[]): Buffer {
    const whole = encodeCommand([...this.#before, ...id]);
    const rest = whole.subarray(whole.indexOf("\r\n"));
    return Buffer.concat([Buffer.from(`*${this.#before.length + 1 + count}`), rest]);
  }

  #argsBeforeId(): Harmless {
    return ["XADD", this.#key, ...optionArgs(this.#options, this.#minId)];
  }
}

/** What stands between XADD's key and the entry's ID. */
export function optionArgs({ noCreate, trim, exact, maxLength = 0 }: XaddOptions, minId: string): string[] {
  const args: string[] = [];
  if (noCreate) args.push("NOMKSTREAM");
  if (trim === "length") args.push("MAXLEN", exact ? "=" : "~", String(maxLength));
  if (trim === "age") args.push("MINID", exact ? "=" : "~", minId);
  return args;
}

/** The ID that an XADD has given, or the script add-keyed; undefined for every other reply. */
export function addedId(reply: Reply): Buffer | undefined {
  return Buffer.isBuffer(reply) ? reply : undefined;
}

/** The ID of an entry that was there before, which the script add-keyed gives in a list. */
export function presentId(reply: Reply): Buffer | undefined {
  return Array.isArray(reply) ? (reply[0] as Buffer) : undefined;
}

/**
 * Sends one encoded command over the connection, which follows redirections; gives what a pipeline would have
 * given.
 */
export async function addEncoded(caller: Caller, encoded: Buffer): Promise<Reply> {
  const [command, ...args] = readCommand(encoded);
  // Strings, a list of them or nil look the same in both kinds of replies.
  return caller.call(String(command), ...args);
}

/**
 * Rejects as adding an entry to this stream with these options would now, and never adds one: through its
 * redirection the connection learns where a cluster's slot is, and a server that can't write says so. Makes
 * the server know the script.
 */
export async function probeAdd(caller: Caller, encoder: EntryEncoder): Promise<void> {
  const [command, ...args] = encoder.probe();
  try {
    await caller.call(command, ...args);
  } catch (error) {
    if (!(error instanceof ServerError) || !/greater than 0-0/.test(error.reply)) throw error;
  }
}
