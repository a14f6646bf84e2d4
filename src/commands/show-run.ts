import type { Context } from "../context.ts";
import { fitting } from "../engine/fitting.ts";
import { onStream } from "../engine/groups/missing.ts";
import { type GroupStanding, type ShownEntry, showEntries } from "../engine/show/show.ts";
import { entryFilter } from "../engine/where.ts";
import type { EntryId } from "../entry/id.ts";
import type { StreamKey } from "../entry/names.ts";
import { ExitCode } from "../errors.ts";
import { type Column, FieldList } from "../output/column.ts";
import { durationColumn } from "../output/columns.ts";
import { entryPage } from "../output/entry-page.ts";
import { cellText } from "../output/format.ts";
import { printRows } from "../output/rows.ts";
import { streamInfo } from "../redis/ops/info.ts";
import { checkIds, givenIds, Rejects } from "./id-arguments.ts";
import type { ShowFlags } from "./show.ts";

const NEWEST = "+";

export async function run(
  context: Context,
  [stream, args]: readonly [StreamKey, string[]],
  { where }: ShowFlags,
): Promise<number | undefined> {
  checkIds(args.filter((arg) => arg !== NEWEST));
  const connection = await context.connect();
  const info = await onStream(connection, stream, undefined, () => streamInfo(connection, stream));
  const rejects = new Rejects(context);
  const named = args.map((arg) => (arg === NEWEST ? (info.lastId ?? info.lastGeneratedId) : arg));
  const judge = (row: { readonly stream?: string }): string | undefined =>
    row.stream === undefined || row.stream === stream ? undefined : `stream ${row.stream}, not ${stream}`;
  const shown = showEntries(connection, {
    stream,
    ids: givenIds(context, named, rejects, judge),
    signal: context.stop,
    onMissing: (id: EntryId) => rejects.add(`${id} is not in ${stream}`),
  });
  let found = 0;
  const filter = where && entryFilter(where);
  async function* wanted(): AsyncGenerator<ShownEntry> {
    const nameOf = ({ entry }: ShownEntry): string => `${stream} ${entry.id}`;
    for await (const one of shown) {
      found++;
      const test = filter && { ...filter, fits: ({ entry }: ShownEntry) => filter.fits(entry) };
      if (!test || (await fitting([one], test, { signal: context.stop, nameOf })).length > 0) yield one;
    }
  }
  try {
    if (context.output.format === "table") {
      let any = false;
      for await (const one of wanted()) {
        const page = await entryPage(one, context.output.color);
        await context.output.write(any ? `\n${page}` : page);
        any = true;
      }
    } else await printRows(context, COLUMNS, wanted(), { empty: "" });
  } finally {
    rejects.finish();
  }
  if (rejects.count === 0 || context.stop.aborted) return undefined;
  return found > 0 ? ExitCode.partial : ExitCode.notFound;
}

const COLUMNS: readonly Column<ShownEntry>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "id", title: "ID", value: (row) => row.entry.id },
  durationColumn("ageMs", "AGE"),
  { key: "bytes", title: "SIZE", value: (row) => row.bytes },
  {
    key: "groups",
    title: "GROUPS",
    value: ({ groups }) => groups.map((standing: GroupStanding) => ({ ...standing })),
  },
  {
    key: "fields",
    title: "FIELDS",
    value: ({ entry }) => new FieldList(entry.fields),
    text: ({ entry }) => cellText(new FieldList(entry.fields)),
  },
];
