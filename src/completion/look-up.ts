import type { Names } from "../commands/flag.ts";
import { dlqKey, looksLikeQueue } from "../engine/dlq/name.ts";
import { type GroupName, type StreamKey, groupName, streamKey } from "../entry/names.ts";
import type { Connection } from "../redis/connection.ts";
import { consumerInfos, groupInfos } from "../redis/ops/info.ts";
import { pendingIds } from "../redis/ops/pending.ts";
import { newestIds } from "../redis/ops/range.ts";
import { scanEach } from "../redis/ops/scan.ts";
import type { TypedLine } from "./line.ts";

/** What a shell takes as one plain word: other names would need quoting, or do worse things. */
const PLAIN = /^[\w.:@/+={}-]+$/;
/** Nobody looks through more. */
const MOST = 200;
/** Dead letters come with their fields, which may be long. */
const LETTERS = 20;
/** Streams of one line whose groups are looked at. */
const STREAMS = 5;

export interface Lookup {
  readonly line: TypedLine;
  /** How queues are named, if not as usual. */
  readonly dlqTemplate: string | undefined;
  /** Aborts when one has waited long enough; what was found by then is enough. */
  readonly signal: AbortSignal;
}

/** Names that begin with what is typed, sorted; IDs come newest first. Asks the server with a few cheap commands. */
export async function lookUp(
  connection: Connection,
  wanted: Exclude<Names, "profiles">,
  { line, dlqTemplate, signal }: Lookup,
): Promise<string[]> {
  const { prefix, operands, options } = line;
  const streams = operands
    .filter((name) => !/[*?[]/.test(name))
    .slice(0, STREAMS)
    .map(streamKey);
  const [stream] = streams;
  const name = options.get("group");
  const group = name === undefined ? undefined : groupName(name);
  switch (wanted) {
    case "streams": {
      // As patterns do, unless so much is typed that nothing else begins so.
      const names = offered(await streamNames(connection, prefix, signal), prefix).sort();
      const streams = names.filter((name) => !looksLikeQueue(name, dlqTemplate));
      return streams.length > 0 ? streams : names;
    }
    case "keys":
      return offered(await streamNames(connection, prefix, signal), prefix).sort();
    case "groups":
      return offered(await groupsOf(connection, streams), prefix).sort();
    case "consumers": {
      const found = streams.map((each) => consumersOf(connection, each, group));
      return offered((await Promise.all(found)).flat(), prefix).sort();
    }
    case "letters": {
      if (stream === undefined) return [];
      const naming = { cluster: connection.cluster, template: dlqTemplate, explicit: options.get("dlq") };
      const key = dlqKey(stream, naming);
      return offered(await newestIds(connection, key, { ...idRange(prefix), count: LETTERS }), prefix);
    }
    case "pending": {
      if (stream === undefined || group === undefined) return [];
      const range = { ...idRange(prefix), count: MOST };
      return offered(await pendingIds(connection, stream, group, range), prefix);
    }
    default:
      return wanted satisfies never;
  }
}

/** Those that begin with `prefix`, each once. */
export function offered(names: readonly string[], prefix: string): string[] {
  const plain = names.filter((name) => name.startsWith(prefix) && PLAIN.test(name));
  return [...new Set(plain)].slice(0, MOST);
}

async function streamNames(connection: Connection, prefix: string, signal: AbortSignal): Promise<string[]> {
  const pattern = `${prefix.replace(/[*?[\]\\]/g, "\\$&")}*`;
  const found: string[] = [];
  await scanEach(connection, pattern, ({ streams }) => {
    found.push(...offered(streams, prefix));
    return found.length < MOST && !signal.aborted;
  });
  return found;
}

async function groupsOf(connection: Connection, streams: readonly StreamKey[]): Promise<GroupName[]> {
  const infos = await Promise.all(streams.map((stream) => groupInfos(connection, stream)));
  return infos.flat().map(({ name }) => name);
}

async function consumersOf(
  connection: Connection,
  stream: StreamKey,
  group: GroupName | undefined,
): Promise<string[]> {
  const groups = group === undefined ? await groupsOf(connection, [stream]) : [group];
  const infos = await Promise.all(
    groups.slice(0, STREAMS).map((each) => consumerInfos(connection, stream, each)),
  );
  return infos.flat().map(({ name }) => name);
}

/** The IDs that begin with what is typed, as far as that can be said by a range: all that begin with its digits. */
function idRange(prefix: string): { from: string; to: string } {
  const [, ms = "", dash] = /^(\d{1,13})(-?)/.exec(prefix) ?? [];
  if (ms === "") return { from: "-", to: "+" };
  if (dash === "-") return { from: `${ms}-0`, to: ms };
  return { from: `${ms.padEnd(MS_DIGITS, "0")}-0`, to: ms.padEnd(MS_DIGITS, "9") };
}

/** From 2001 to 2286. */
const MS_DIGITS = 13;
