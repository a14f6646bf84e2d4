import type { Entry } from "../../entry/entry.ts";

/** Entries of one stream, in the order read. */
export interface Batch {
  readonly stream: string;
  readonly entries: readonly Entry[];
}

/** What one read gave and is printed, and acked, together. */
export type Page = readonly Batch[];
