import type { Context } from "../context.ts";
import { type StreamDetails, streamDetails } from "../engine/info/info.ts";
import type { GroupLag } from "../engine/lag/lag.ts";
import type { Column, JsonValue } from "../output/column.ts";
import { durationText, sizeText } from "../output/format.ts";
import { LAG_COLUMNS } from "../output/lag-columns.ts";
import { printRows } from "../output/rows.ts";
import { formatNumber } from "../units.ts";
import { chooseStreams } from "./stream-arguments.ts";

export async function run(context: Context, [names]: readonly [string[]]): Promise<void> {
  const connection = await context.connect();
  const { streams, named } = await chooseStreams(context, connection, names);
  const details = streamDetails(connection, streams, { named, signal: context.stop });
  if (context.output.format !== "table") {
    await printRows(context, COLUMNS, details, { empty: "" });
    return;
  }
  let first = true;
  for await (const stream of details) {
    if (!first) await context.output.write("\n");
    first = false;
    await printRows(context, SHEET_COLUMNS, sheet(stream), { empty: "" });
    if (stream.groups.length === 0) continue;
    await context.output.write("\n");
    await printRows(context, GROUP_COLUMNS, stream.groups, { empty: "" });
  }
}

interface Line {
  readonly name: string;
  readonly text: string;
}

/** One stream as lines for people; what is not known is left out. */
function sheet(row: StreamDetails): Line[] {
  const lines: (Line | undefined)[] = [
    { name: "entries", text: formatNumber(row.length) },
    line("first", placed(row.firstId, row.firstAgeMs)),
    line("last", placed(row.lastId, row.lastAgeMs)),
    row.lastGeneratedId === row.lastId ? undefined : line("last ID given", row.lastGeneratedId),
    line("memory", memoryText(row)),
    line("expires in", row.expiresInMs === null ? null : durationText(row.expiresInMs)),
    line("ever added", row.entriesAdded === null ? null : formatNumber(row.entriesAdded)),
    row.maxDeletedId === "0-0" ? undefined : line("last deleted", row.maxDeletedId),
    row.recordedFirstId === "0-0" ? undefined : line("first on record", row.recordedFirstId),
    line("blocks", blocksText(row)),
    { name: "groups", text: formatNumber(row.groups.length) },
    { name: "consumers", text: formatNumber(row.consumers) },
  ];
  return [{ name: "stream", text: row.stream }, ...lines.filter((each) => each !== undefined)];
}

function line(name: string, text: string | null): Line | undefined {
  return text === null ? undefined : { name, text };
}

function placed(id: string | null, ageMs: number | null): string | null {
  return id === null || ageMs === null ? id : `${id}, ${durationText(ageMs)} ago`;
}

function memoryText({ memoryBytes, length }: StreamDetails): string | null {
  if (memoryBytes === null) return null;
  return length === 0
    ? sizeText(memoryBytes)
    : `${sizeText(memoryBytes)}, ${sizeText(memoryBytes / length)} an entry`;
}

function blocksText({ radixKeys, radixNodes, entriesPerBlock }: StreamDetails): string {
  const fill = entriesPerBlock === null ? "" : ` of ${entriesPerBlock} entries on average`;
  return `${formatNumber(radixKeys)}${fill}, ${formatNumber(radixNodes)} tree nodes`;
}

const SHEET_COLUMNS: readonly Column<Line>[] = [
  { key: "name", title: "PROPERTY", value: (row) => row.name },
  { key: "text", title: "VALUE", value: (row) => row.text, whole: true },
];

const GROUP_COLUMNS = LAG_COLUMNS.filter(({ key }) => key !== "stream");

/** A group inside its stream's object: a row of `lag` without the stream. */
function groupObject(row: GroupLag): { readonly [key: string]: JsonValue } {
  return Object.fromEntries(GROUP_COLUMNS.map(({ key, value }) => [key, value(row)]));
}

const COLUMNS: readonly Column<StreamDetails>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "length", title: "LENGTH", value: (row) => row.length },
  { key: "firstId", title: "FIRST", value: (row) => row.firstId },
  { key: "firstAgeMs", title: "FIRST AGE", value: (row) => row.firstAgeMs },
  { key: "lastId", title: "LAST", value: (row) => row.lastId },
  { key: "lastAgeMs", title: "LAST AGE", value: (row) => row.lastAgeMs },
  { key: "lastGeneratedId", title: "LAST GIVEN", value: (row) => row.lastGeneratedId },
  { key: "memoryBytes", title: "MEMORY", value: (row) => row.memoryBytes },
  { key: "expiresInMs", title: "EXPIRES", value: (row) => row.expiresInMs },
  { key: "entriesAdded", title: "ADDED", value: (row) => row.entriesAdded },
  { key: "maxDeletedId", title: "LAST DELETED", value: (row) => row.maxDeletedId },
  { key: "recordedFirstId", title: "RECORDED FIRST", value: (row) => row.recordedFirstId },
  { key: "radixKeys", title: "BLOCKS", value: (row) => row.radixKeys },
  { key: "radixNodes", title: "TREE NODES", value: (row) => row.radixNodes },
  { key: "entriesPerBlock", title: "PER BLOCK", value: (row) => row.entriesPerBlock },
  { key: "consumers", title: "CONSUMERS", value: (row) => row.consumers },
  { key: "groups", title: "GROUPS", value: (row) => row.groups.map(groupObject) },
];
