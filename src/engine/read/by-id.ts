import type { Entry } from "../../entry/entry.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { translateReply } from "../../redis/errors.ts";
import { decodeEntries } from "../../redis/ops/entry.ts";
import { encodeRange, PageSize } from "../../redis/ops/range.ts";
import type { Pipeline } from "../../redis/pipeline.ts";
import { type Reply, ReplyError } from "../../redis/resp.ts";
import { boundReply, onPipelines, SILENT } from "./pipelines.ts";

/**
 * The entries with these IDs, in their order; undefined for one that is not there. They come in pages that stay small in
 * memory, a large entry alone. An outage is waited for as in readRange; ends early when the signal aborts.
 */
export async function* entriesById(
  connection: Connection,
  stream: StreamKey,
  ids: AsyncIterable<readonly string[]> | Iterable<readonly string[]>,
  signal: AbortSignal,
): AsyncGenerator<readonly (Entry | undefined)[]> {
  const wanted = flat(ids);
  const size = new PageSize();
  let asked: string[] = [];
  // Thrown past onPipelines, which would take an outage of the source for one of its own, and the source has ended by then.
  let failure: { readonly error: unknown } | undefined;
  const options = {
    signal,
    link: SILENT,
    budgetMs: connection.settings.connectTimeoutMs,
    askForLess: () => size.tooLarge(),
  };
  async function* session(
    pipeline: Pipeline,
    alive: () => void,
  ): AsyncGenerator<readonly (Entry | undefined)[]> {
    while (!signal.aborted) {
      try {
        while (asked.length < size.count) {
          const { value, done } = await wanted.next();
          if (done) break;
          asked.push(value);
        }
      } catch (error) {
        failure = { error };
      }
      if (asked.length === 0 || failure) return;
      const page = asked.slice(0, size.count);
      boundReply(pipeline, page.length);
      const replies = await Promise.all(
        page.map((id) => pipeline.request(encodeRange(stream, { from: id, to: id, count: 1 }))),
      );
      alive();
      const entries = replies.map((reply) => decode(stream, reply));
      size.saw(entries.filter((entry) => entry !== undefined));
      asked = asked.slice(page.length);
      yield entries;
    }
  }
  try {
    yield* onPipelines(connection, new Map([[0, stream]]), options, (pipelines, alive) =>
      session(pipelines.get(0) as Pipeline, alive),
    );
    if (failure) throw failure.error;
  } finally {
    await wanted.return(undefined);
  }
}

function decode(stream: StreamKey, reply: Reply): Entry | undefined {
  if (reply instanceof ReplyError) throw translateReply(reply.text, { command: "XRANGE", key: stream });
  return decodeEntries(reply)?.entries[0];
}

async function* flat(
  pages: AsyncIterable<readonly string[]> | Iterable<readonly string[]>,
): AsyncGenerator<string> {
  for await (const page of pages) yield* page;
}
