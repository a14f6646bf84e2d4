import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import { isDenied } from "../errors.ts";
import { sameSlot, siblingKey } from "../keys.ts";
import { defineScript } from "../script.ts";
import { asList, asNumber, asText } from "../value.ts";
import type { Caller } from "./caller.ts";
import { HELD } from "./lua/held.ts";
import { TAKES_OF_GROUP } from "./lua/takes.ts";
import type { Member } from "./member.ts";
import { decodeOwned, OWNED, type Owned } from "./owned.ts";
import type { Streams } from "./streams.ts";

/**
 * Begins to keep the holders of a group, as far as the user may. A group that was set back, or made anew by hand, is
 * made again no further ahead than it is now.
 *
 * KEYS     the stream, the holders
 * ARGV     group
 * Returns  1, or 0 when there is no such group.
 */
const beginScript = defineScript(
  "begin-holding",
  `local group, consumer = ARGV[1], ''
${HELD}
local given, last = last_given(), redis.call('HGET', KEYS[2], 'last')
if not given then return 0 end
redis.call('HSET', KEYS[2], 'last', last and id_before(last, given) and last or given)
-- What taking and restoring need, too: a right that is missing must show now.
if redis.call('HLEN', KEYS[2]) < 100 then redis.call('HGETALL', KEYS[2]) end
redis.call('HMGET', KEYS[2], 'takes')
redis.call('HDEL', KEYS[2], '')
redis.call('TIME')
redis.call('PEXPIRE', KEYS[2], 60000)
redis.call('PERSIST', KEYS[2])
if redis.call('HINCRBY', KEYS[2], 'takes', 0) == 0 then redis.call('HDEL', KEYS[2], 'takes') end
-- What is pending of workers that died would be passed over.
if not last then redis.call('HDEL', KEYS[2], 'last') end
return 1
`,
);

/** Whether the holders can be kept of a stream's group: not where the user has no right to them. */
export async function mayHold(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
  holders: string,
): Promise<boolean> {
  try {
    await caller.run(beginScript, [stream, holders], [group]);
    return true;
  } catch (error) {
    if (isDenied(error)) return false;
    // That the stream is one, its group says.
    if (!(error instanceof ServerError) || error.code !== "WRONGTYPE") throw error;
    const hint = "workers note there what is pending for later: rename that key";
    throw new ServerError("failed", error.code, error.reply, `${holders} is not a hash`, { hint });
  }
}

/**
 * What became of an entry that its consumer left pending for later.
 *
 * KEYS     the stream, the holders
 * ARGV     group, consumer, id
 * Returns  1 pending; 3 settled: a verdict took it from the holders; else it was thrown away or acked by hand: as
 *          OWNED, of one that is not pending.
 */
const fateScript = defineScript(
  "retry-fate",
  `${OWNED}
if redis.call('XPENDING', KEYS[1], group, ARGV[3], ARGV[3], 1)[1] then return 1 end
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then return 3 end
return fate_of_consumer()
`,
);

const SETTLED = 3;

/** What became of an entry that the member left pending: one of `Owned`, or "settled". */
export async function fateOfRetry(
  caller: Caller,
  stream: StreamKey,
  member: Member,
  holders: string,
  id: EntryId,
): Promise<Owned | "settled"> {
  const args = [member.group, member.consumer, id];
  const answer = await caller.run(fateScript, [stream, holders], args);
  return answer === SETTLED ? "settled" : decodeOwned(answer);
}

/**
 * Which entries another consumer has taken.
 *
 * KEYS[1]  the holders
 * ARGV     per entry: id, delivery count, ms
 * Returns  per entry: 1 when it was taken within so many ms, after it had been delivered so often, 2 when more takes were
 *          noted in that time than are remembered; else 0.
 */
const takenSinceScript = defineScript(
  "taken-since",
  `${TAKES_OF_GROUP}
local answers = {}
for i = 1, #ARGV, 3 do
  local taken, known = taken_since(KEYS[1], ARGV[i], ARGV[i + 1], ARGV[i + 2])
  answers[#answers + 1] = not known and 2 or taken and 1 or 0
end
return answers
`,
);

/** An entry that a consumer had, for so many ms unheard of. */
export interface Silent {
  readonly id: EntryId;
  readonly deliveries: number;
  readonly silentMs: number;
}

/** `forgotten`: more takes were noted in that time than are remembered. */
export type Taken = "taken" | "untaken" | "forgotten";

const TAKEN: readonly Taken[] = ["untaken", "taken", "forgotten"];

/** Of each entry, whether another consumer has taken it in that time. */
export async function takenSince(
  caller: Caller,
  holders: string,
  entries: readonly Silent[],
): Promise<Taken[]> {
  const args = entries.flatMap(({ id, deliveries, silentMs }) => [id, deliveries, Math.floor(silentMs)]);
  return asList(await caller.run(takenSinceScript, [holders], args)).map(
    (answer) => TAKEN[asNumber(answer)] ?? "forgotten",
  );
}

/** Of each entry, whether the holders name it. */
export async function named(caller: Caller, holders: string, ids: readonly EntryId[]): Promise<boolean[]> {
  return asList(await caller.call("HMGET", holders, ...ids)).map((value) => value !== null);
}

/** Changes when others have restored what the member had. */
export async function lossOf(caller: Caller, member: Member, holders: string): Promise<string | undefined> {
  const value = await caller.call("HGET", holders, `lost ${member.consumer}`);
  return value === null ? undefined : asText(value);
}

/** Undefined where the stream's name allows none in its slot, unless they are required: then the server refuses them. */
function holdersKey(
  stream: StreamKey,
  { group, required, cluster }: HoldersOptions & { readonly cluster: boolean },
): string | undefined {
  const key = siblingKey(stream, `:held:${group}`, cluster);
  return required || sameSlot(stream, key, cluster) ? key : undefined;
}

/**
 * A step by hand that changes the holders, too, if there are any: its keys are the stream and the holders, or the stream
 * alone where this user may not write those.
 */
export async function withHolders<T>(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
  step: (keys: readonly string[]) => Promise<T>,
): Promise<T> {
  const holders = holdersKey(stream, { group, required: false, cluster: caller.cluster });
  if (holders === undefined) return step([stream]);
  try {
    return await step([stream, holders]);
  } catch (error) {
    if (!isDenied(error)) throw error;
    return step([stream]);
  }
}

export interface HoldersOptions {
  readonly group: GroupName;
  /** Order by key can't do without them. */
  readonly required: boolean;
}

/**
 * Where the holders of each stream's entries stand (see redis/ops/lua/held.ts): beside the stream, so that a group's
 * name can't make it the ledger's key. A user without the right to that key works without them: then XGROUP DESTROY
 * loses the retries of workers that are dead by then, or do not notice in time.
 */
export class Holders {
  readonly #streams: Streams;
  readonly #options: HoldersOptions;
  readonly #refused = new Set<string>();

  constructor(streams: Streams, options: HoldersOptions) {
    this.#streams = streams;
    this.#options = options;
  }

  /** Undefined where none are kept. */
  of(stream: StreamKey): string | undefined {
    if (this.#refused.has(stream)) return undefined;
    return holdersKey(stream, { ...this.#options, cluster: this.#streams.cluster });
  }

  /** Before anything is taken from a stream: whether they can be kept there. */
  async begin(stream: StreamKey): Promise<void> {
    this.#refused.delete(stream);
    const { group, required } = this.#options;
    const key = this.of(stream);
    if (required || key === undefined) return;
    if (!(await this.#streams.mayHold(stream, group, key))) this.#refused.add(stream);
  }
}
