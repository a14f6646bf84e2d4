import { type StreamKey, streamKey } from "../entry/names.ts";
import { StreamctlError } from "../errors.ts";
import type { Connection } from "../redis/connection.ts";
import { isPattern, scanStreams } from "../redis/ops/scan.ts";
import { formatCount } from "../units.ts";
import { looksLikeQueue } from "./dlq/name.ts";

/** STREAM arguments, and what has to be known to understand their patterns. */
export interface StreamsWanted {
  /** Streams, or glob patterns for them. */
  readonly names: readonly string[];
  /** How dead-letter queues are named, if not as usual. */
  readonly dlqTemplate: string | undefined;
  /** Keys that no pattern means, such as those a worker writes to. */
  readonly except?: ReadonlySet<string> | undefined;
}

export interface StreamsFound {
  /** Names as they are and in their order, then what the patterns match, sorted; each once. */
  readonly streams: readonly StreamKey[];
  /** Dead-letter queues that match patterns which do not ask for them. */
  readonly queues: readonly string[];
  /** Those of `except` that match. */
  readonly excepted: readonly string[];
  /** Streams that match and have a name that is no UTF-8, in a form to be read: they can't be asked for by name. */
  readonly unreadable: readonly string[];
}

/**
 * The streams that the arguments name. A pattern leaves out dead-letter queues, which no group reads and which belong
 * to streams that it matches, unless it ends as their names do. None is no error here: see `noneFound`.
 */
export async function findStreams(connection: Connection, wanted: StreamsWanted): Promise<StreamsFound> {
  const { names, dlqTemplate, except } = wanted;
  const patterns = names.filter(isPattern);
  const named = new Set(names.filter((name) => !isPattern(name)).map(streamKey));
  const matches = await Promise.all(
    patterns.map(async (pattern) => {
      const found = await connection.persist(() => scanStreams(connection, pattern));
      return { ...found, forQueues: looksLikeQueue(pattern, dlqTemplate) };
    }),
  );
  const taken = new Set<StreamKey>();
  const queues = new Set<StreamKey>();
  const excepted = new Set<StreamKey>();
  for (const { streams, forQueues } of matches) {
    for (const stream of streams) {
      if (except?.has(stream)) excepted.add(stream);
      else if (!forQueues && looksLikeQueue(stream, dlqTemplate)) queues.add(stream);
      else taken.add(stream);
    }
  }
  const leftOut = (stream: StreamKey): boolean => !taken.has(stream) && !named.has(stream);
  return {
    streams: [...new Set([...named, ...[...taken].sort()])],
    queues: [...queues].filter(leftOut),
    excepted: [...excepted].filter(leftOut),
    unreadable: [...new Set(matches.flatMap(({ unreadable }) => unreadable))].sort(),
  };
}

/** How to have queues, too. */
export function queuesHint(dlqTemplate: string = "{stream}:dlq"): string {
  return `a name, or a pattern like '${dlqTemplate.replace("{stream}", "*")}', takes them`;
}

/** Why patterns gave no stream (exit 4). */
export function noneFound({ names, dlqTemplate }: StreamsWanted, { queues }: StreamsFound): StreamctlError {
  const matching = names.filter(isPattern).join(", ");
  if (queues.length > 0)
    return new StreamctlError(
      "notFound",
      `no stream but ${formatCount(queues.length, "dead-letter queue")} matching ${matching}`,
      { hint: queuesHint(dlqTemplate) },
    );
  return new StreamctlError("notFound", `no stream matches ${matching}`, {
    hint: "`streamctl ls` shows the streams there are",
  });
}
