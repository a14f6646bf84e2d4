import { ConnectionError } from "../../src/errors.ts";
import type { Streams } from "../../src/redis/ops/streams.ts";

type Verb = Exclude<keyof Streams, "cluster">;

/** These verbs, of which one is carried out `times` times without its answer arriving: its connection is lost then. */
export function losing(streams: Streams, verb: Verb, times = 1): Streams {
  let left = times;
  const carryOut = streams[verb] as (...args: unknown[]) => Promise<unknown>;
  const lost = async (...args: unknown[]): Promise<unknown> => {
    const answer = await carryOut(...args);
    if (left-- > 0) throw new ConnectionError("lost the connection", { sent: true });
    return answer;
  };
  return { ...streams, [verb]: lost };
}
