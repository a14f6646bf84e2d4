import { Buffer } from "node:buffer";
import type { EntryDraft } from "../../entry/entry-draft.ts";
import { encodeCommand } from "../../redis/resp.ts";

export interface XaddOptions {
  /** Refuse to create the stream (NOMKSTREAM, Redis 6.2). */
  readonly noCreate: boolean;
  /** Trim by length, or by age (MINID, Redis 6.2): the encoder is told the ID as time goes by. */
  readonly trim: "none" | "length" | "age";
  readonly maxLength?: number | undefined;
  /** Trim to the exact entry, and not only whole nodes. */
  readonly exact: boolean;
}

/** More than the length line of a string and its line end ever take: `$`, ten digits, twice CRLF. */
const PER_STRING = 15;

/** Writes XADD commands for one stream as RESP bytes, straight from drafts. */
export class XaddEncoder {
  readonly #key: string;
  readonly #options: XaddOptions;
  #minId = "0-0";
  /** What precedes an entry's ID, by its number of strings; and the same with `*` for an ID. */
  #prefixes: Buffer[] = [];
  #automatic: Buffer[] = [];
  /** Arguments between the command's start and its ID. */
  #before: readonly string[];

  constructor(key: string, options: XaddOptions) {
    this.#key = key;
    this.#options = options;
    this.#before = this.#argsBeforeId();
  }

  /** The oldest ID to keep, from the next entry on. */
  set minId(id: string) {
    this.#minId = id;
    this.#before = this.#argsBeforeId();
    this.#prefixes = [];
    this.#automatic = [];
  }

  /** At which place of a command's arguments the ID stands. */
  get idIndex(): number {
    return this.#before.length;
  }

  /** A command that no server carries out, but that fails like a real one: its ID, 0-0, is never valid. */
  probe(): readonly string[] {
    return [...this.#before, "0-0", "f", "v"];
  }

  /** How many bytes `write` takes at most. */
  size(draft: EntryDraft): number {
    return this.#prefix(draft).length + 64 + draft.bytes + draft.count * PER_STRING;
  }

  /** Writes the command into `target`, where there must be room; returns the offset after it. */
  write(draft: EntryDraft, target: Buffer, offset: number): number {
    const prefix = this.#prefix(draft);
    let at = offset;
    for (let i = 0; i < prefix.length; i++) target[at++] = prefix[i] as number;
    if (draft.id !== undefined) at += target.latin1Write(`$${draft.id.length}\r\n${draft.id}\r\n`, at);
    for (let i = 0; i < draft.count; i++) {
      at = writeLength(draft.length(i), target, at);
      at = draft.write(i, target, at);
      target[at++] = 13;
      target[at++] = 10;
    }
    return at;
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

  #argsBeforeId(): string[] {
    const { noCreate, trim, exact, maxLength = 0 } = this.#options;
    const args = ["XADD", this.#key];
    if (noCreate) args.push("NOMKSTREAM");
    if (trim === "length") args.push("MAXLEN", exact ? "=" : "~", String(maxLength));
    if (trim === "age") args.push("MINID", exact ? "=" : "~", this.#minId);
    return args;
  }
}

/** `$<length>\r\n`, by hand: a number made into text for each string would cost more than the string. */
function writeLength(length: number, target: Buffer, offset: number): number {
  let at = offset;
  target[at++] = 36;
  if (length < 10) target[at++] = 48 + length;
  else if (length < 100) {
    target[at++] = 48 + ((length / 10) | 0);
    target[at++] = 48 + (length % 10);
  } else at += target.latin1Write(String(length), at);
  target[at++] = 13;
  target[at++] = 10;
  return at;
}
