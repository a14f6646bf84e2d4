import { Buffer } from "node:buffer";
import { EntryDraft } from "../../entry/entry-draft.ts";
import { BadLine } from "../../entry/sources/source.ts";
import { errorText, StreamctlError } from "../../errors.ts";
import type { Account } from "./account.ts";
import { afterLoss, assignId } from "./ids.ts";
import { assignDue } from "./later.ts";
import { choosePartition } from "./partitions.ts";
import type { ProduceRequest } from "./request.ts";

type ReaderSettings = Pick<ProduceRequest, "source" | "ids" | "later" | "partitions" | "keepRaw">;

/** Reads entries into a draft, with their ID and the stream they belong to; bad lines go to the account. */
export class Reader {
  readonly draft = new EntryDraft();
  readonly #settings: ReaderSettings;
  readonly #account: Account;
  /** Redis rejects only entries that have IDs of their own. */
  readonly #keepsCopy: boolean;

  constructor(settings: ReaderSettings, account: Account) {
    this.#settings = settings;
    this.#account = account;
    this.#keepsCopy = settings.keepRaw && afterLoss(settings.ids) === "lookUp";
  }

  /** The line dealt with last. */
  get line(): number {
    return this.#settings.source.line;
  }

  get bytesRead(): number {
    return this.#settings.source.bytesRead;
  }

  /** Reads the next entry into the draft, and tells the index of its stream; "dry" when `more` is needed first. */
  next(): number | "bad" | "dry" {
    const { source, ids, later, partitions } = this.#settings;
    try {
      if (!source.next(this.draft)) {
        this.#account.read(source.line);
        return "dry";
      }
      assignId(ids, this.draft, source.line);
      if (later !== undefined) assignDue(later, this.draft, source.line);
      return partitions === undefined ? 0 : choosePartition(partitions, this.draft, source.line);
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      this.#account.reject(error, source.raw());
      return "bad";
    }
  }

  /** The text of the line dealt with last, where Redis may reject it and the text is wanted. */
  raw(): Buffer | undefined {
    return this.#keepsCopy ? Buffer.from(this.#settings.source.raw()) : undefined;
  }

  /** Waits for input; false when there is none left. Rejects with StreamctlError. */
  async more(): Promise<boolean> {
    try {
      return await this.#settings.source.more();
    } catch (error) {
      if (error instanceof StreamctlError) throw error;
      throw new StreamctlError("failed", `could not read the input: ${errorText(error)}`, { cause: error });
    }
  }

  close(): void {
    this.#settings.source.close();
  }
}
