import { dlqKey, looksLikeQueue } from "../engine/dlq/name.ts";
import type { Connection } from "../redis/connection.ts";
import { readEntryIds } from "../redis/streams/range.ts";
import { consumerInfos, groupInfos } from "../redis/streams/info.ts";
import { asList, asText, type Value } from "../redis/value.ts";
import type { Names } from "./known-names.ts";
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
  const streams = operands.filter((name) => !/[*?[]/.test(name)).slice(0, STREAMS);
  const [stream] = streams;
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
      const group = options.get("group");
      const found = streams.map((each) => consumersOf(connection, each, group));
      return offered((await Promise.all(found)).flat(), prefix).sort();
    }
    case "letters": {
      if (stream === undefined) return [];
      const naming = { cluster: connection.cluster, template: dlqTemplate, explicit: options.get("dlq") };
      const key = dlqKey(stream, naming);
      const { low, high } = idRange(prefix);
      return offered(
        readEntryIds(await connection.call("XREVRANGE", key, high, low, "COUNT", LETTERS)),
        prefix,
      );
    }
    case "pending": {
      const group = options.get("group");
      if (stream === undefined || group === undefined) return [];
      const { low, high } = idRange(prefix);
      return offered(readEntryIds(await connection.call("XPENDING", stream, group, low, high, MOST)), prefix);
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
  const nodes = await connection.primaries();
  await Promise.all(
    nodes.map(async (node) => {
      let cursor = "0";
      do {
        const reply = await node.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1_000, "TYPE", "stream");
        const [next, page] = asList(reply);
        cursor = asText(next);
        found.push(
          ...offered(
            asList(page).map((key: Value) => asText(key)),
            prefix,
          ),
        );
      } while (cursor !== "0" && found.length < MOST && !signal.aborted);
    }),
  );
  return found;
}

async function groupsOf(connection: Connection, streams: readonly string[]): Promise<string[]> {
  const infos = await Promise.all(streams.map((stream) => groupInfos(connection, stream)));
  return infos.flat().map(({ name }) => name);
}

async function consumersOf(
  connection: Connection,
  stream: string,
  group: string | undefined,
): Promise<string[]> {
  const groups = group === undefined ? await groupsOf(connection, [stream]) : [group];
  const infos = await Promise.all(
    groups.slice(0, STREAMS).map((each) => consumerInfos(connection, stream, each)),
  );
  return infos.flat().map(({ name }) => name);
}

/** The IDs that begin with what is typed, as far as that can be said by a range: all that begin with its digits. */
function idRange(prefix: string): { low: string; high: string } {
  const [, ms = "", dash] = /^(\d{1,13})(-?)/.exec(prefix) ?? [];
  if (ms === "") return { low: "-", high: "+" };
  if (dash === "-") return { low: `${ms}-0`, high: ms };
  return { low: `${ms.padEnd(MS_DIGITS, "0")}-0`, high: ms.padEnd(MS_DIGITS, "9") };
}

/** From 2001 to 2286. */
const MS_DIGITS = 13;
