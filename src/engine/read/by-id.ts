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
    /** Asks for a page of what comes after the first IDs; undefined when there is none. */
    const ask = async (
      behind: number,
    ): Promise<{ readonly count: number; readonly replies: Promise<Reply[]> } | undefined> => {
      if (failure) return undefined;
      try {
        while (asked.length < behind + size.count) {
          const { value, done } = await wanted.next();
          if (done) break;
          asked.push(value);
        }
      } catch (error) {
        failure = { error };
      }
      const page = asked.slice(behind, behind + size.count);
      if (page.length === 0 || failure) return undefined;
      boundReply(pipeline, page.length, behind === 0 ? 1 : 2);
      const replies = Promise.all(
        page.map((id) => pipeline.request(encodeRange(stream, { from: id, to: id, count: 1 }))),
      );
      // The page before may still be dealt with when the connection is lost.
      replies.catch(() => {});
      return { count: page.length, replies };
    };
    let next = await ask(0);
    while (next && !signal.aborted) {
      const { count, replies } = next;
      const entries = (await replies).map((reply) => decode(stream, reply));
      alive();
      size.saw(entries.filter((entry) => entry !== undefined));
      // A page is under way while the one before is dealt with, but what is large is in memory alone.
      next = size.count > 1 ? await ask(count) : undefined;
      asked = asked.slice(count);
      yield entries;
      next ??= await ask(0);
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
