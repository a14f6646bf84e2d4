import type { Entry } from "../../entry/entry.ts";
import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { fitting } from "../fitting.ts";
import { entriesById } from "../read/by-id.ts";
import type { EntryFilter } from "../where.ts";

/** A row with its entry; undefined when its data is gone from the stream. */
export type WithData<Row> = readonly [row: Row, entry: Entry | undefined];

interface Lookup {
  readonly stream: StreamKey;
  readonly signal: AbortSignal;
}

/** Looks up the entry of every row, in the order of the rows; pages are as large as the entries allow. */
export async function* withData<Row extends { readonly id: EntryId }>(
  connection: Connection,
  { stream, signal }: Lookup,
  pages: AsyncIterable<readonly Row[]>,
): AsyncGenerator<WithData<Row>[]> {
  const asked: Row[] = [];
  async function* ids(): AsyncGenerator<readonly EntryId[]> {
    for await (const page of pages) {
      asked.push(...page);
      yield page.map(({ id }) => id);
    }
  }
  for await (const entries of entriesById(connection, stream, ids(), signal)) {
    const rows = asked.splice(0, entries.length);
    yield rows.map((row, at) => [row, entries[at]]);
  }
}

/** Those of the rows whose entry the filter lets through: none whose data is gone. */
export async function* whoseDataFits<Row extends { readonly id: EntryId }>(
  connection: Connection,
  lookup: Lookup,
  pages: AsyncIterable<readonly Row[]>,
  where: EntryFilter,
): AsyncGenerator<WithData<Row>[]> {
  const filter = {
    fits: ([, entry]: WithData<Row>) => entry !== undefined && where.fits(entry),
    mayRunAway: where.mayRunAway,
  };
  const nameOf = ([{ id }]: WithData<Row>): string => `${lookup.stream} ${id}`;
  for await (const rows of withData(connection, lookup, pages))
    yield await fitting(rows, filter, { signal: lookup.signal, nameOf });
}
