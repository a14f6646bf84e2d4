import { randomBytes } from "node:crypto";
import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { dryRun, type Harmless, refusalOf, whoAmI } from "../../redis/ops/rights.ts";
import type { DlqNaming } from "../dlq/name.ts";
import { shellWord } from "../groups/missing.ts";
import { type Finding, finding } from "./finding.ts";
import { NEEDS, type Place, type PlaceKey, placesOf } from "./needs.ts";

/** One command of the server on some key. */
interface Call {
  /** As ACL rules write it: `xgroup|create`. */
  readonly right: string;
  readonly at: PlaceKey | undefined;
  readonly words: Harmless;
}

/** No such group, consumer or key is anywhere. */
const NOBODY = `streamctl-doctor-${randomBytes(8).toString("hex")}`;
const NO_SCRIPT = "0".repeat(40);

/**
 * Each command in a form that can't do anything: with an ID or number that is none, or for a group that
 * does not exist. The server checks rights before it looks at arguments.
 */
const HARMLESS: Readonly<Record<string, (key: string) => Harmless>> = {
  xadd: (key) => ["XADD", key, "none", "a", "b"],
  xrange: (key) => ["XRANGE", key, "none", "none"],
  xrevrange: (key) => ["XREVRANGE", key, "none", "none"],
  xread: (key) => ["XREAD", "STREAMS", key, "none"],
  xreadgroup: (key) => ["XREADGROUP", "GROUP", NOBODY, NOBODY, "STREAMS", key, "none"],
  xack: (key) => ["XACK", key, NOBODY, "none"],
  xclaim: (key) => ["XCLAIM", key, NOBODY, NOBODY, "none", "none"],
  xpending: (key) => ["XPENDING", key, NOBODY],
  xdel: (key) => ["XDEL", key, "none"],
  xtrim: (key) => ["XTRIM", key, "MAXLEN", "none"],
  "xinfo|stream": (key) => ["XINFO", "STREAM", key],
  "xinfo|groups": (key) => ["XINFO", "GROUPS", key],
  "xinfo|consumers": (key) => ["XINFO", "CONSUMERS", key, NOBODY],
  "xgroup|create": (key) => ["XGROUP", "CREATE", key, NOBODY, "none"],
  "xgroup|setid": (key) => ["XGROUP", "SETID", key, NOBODY, "none"],
  "xgroup|destroy": (key) => ["XGROUP", "DESTROY", key, NOBODY],
  "xgroup|delconsumer": (key) => ["XGROUP", "DELCONSUMER", key, NOBODY, NOBODY],
  xlen: (key) => ["XLEN", key],
  pttl: (key) => ["PTTL", key],
  "memory|usage": (key) => ["MEMORY", "USAGE", key],
  get: (key) => ["GET", key],
  mget: (key) => ["MGET", key],
  set: (key) => ["SET", key, "", "none"],
  // Only ever asked of a marker's key, and none has nobody's name.
  del: (key) => ["DEL", key],
  zadd: (key) => ["ZADD", key, "none", "none"],
  zrem: (key) => ["ZREM", key, NOBODY],
  zrange: (key) => ["ZRANGE", key, "none", "none"],
  zcard: (key) => ["ZCARD", key],
  zcount: (key) => ["ZCOUNT", key, "none", "none"],
  zscore: (key) => ["ZSCORE", key, NOBODY],
  zrangebyscore: (key) => ["ZRANGEBYSCORE", key, "none", "none"],
  hget: (key) => ["HGET", key, NOBODY],
  hdel: (key) => ["HDEL", key, NOBODY],
  hscan: (key) => ["HSCAN", key, "none"],
  hstrlen: (key) => ["HSTRLEN", key, NOBODY],
  // A name without a value.
  hset: (key) => ["HSET", key, "a", "b", "c"],
  type: (key) => ["TYPE", key],
  zremrangebyscore: (key) => ["ZREMRANGEBYSCORE", key, "none", "none"],
  pexpire: (key) => ["PEXPIRE", key, "none"],
};

const HARMLESS_WITHOUT_KEY: Readonly<Record<string, Harmless>> = {
  evalsha: ["EVALSHA", NO_SCRIPT, "0"],
  eval: ["EVAL", "return 0", "0"],
  scan: ["SCAN", "0", "MATCH", NOBODY, "COUNT", "1"],
  time: ["TIME"],
  info: ["INFO", "server"],
  wait: ["WAIT", "0", "1"],
};

/**
 * For every command of streamctl that this user may not use on the stream in full: what is missing.
 * `connectedAs` is the user's name where it may not be asked for.
 */
export async function checkRights(
  connection: Connection,
  stream: StreamKey,
  naming: DlqNaming,
  connectedAs: string,
): Promise<Finding[]> {
  const known = await userName(connection);
  const user = known ?? connectedAs;
  const places = placesOf(stream, naming, NOBODY);
  const calls = new Map<string, Call>();
  const plans = NEEDS.map(({ command, rights }) => {
    const wanted = (Object.keys(rights) as Place[]).flatMap((place) => callsOf(rights[place], places[place]));
    for (const call of wanted) calls.set(call.words.join(" "), call);
    return { command, wanted };
  });
  const dryRun = known !== undefined && (await canDryRun(connection, known)) ? known : undefined;
  const denied = new Map<string, Denial>();
  await Promise.all(
    [...calls].map(async ([words, call]) => {
      const denial = await denialOf(connection, call, dryRun);
      if (denial) denied.set(words, denial);
    }),
  );
  return plans.flatMap(({ command, wanted }) => {
    const lacking = wanted.flatMap((call) => denied.get(call.words.join(" ")) ?? []);
    if (lacking.length === 0) return [];
    const evidence = `${user} lacks rights for ${command}: ${unique(lacking.map(({ what }) => what)).join(", ")}`;
    const rules = unique(lacking.map(({ rule }) => rule)).map(shellWord);
    const fix = `ACL SETUSER ${shellWord(user)} ${rules.join(" ")}`;
    return [finding("warning", "rights", evidence, fix, { stream })];
  });
}

/** None for a place that the stream's name does not allow. */
function callsOf(rights = "", at: PlaceKey | undefined): Call[] {
  if (at === undefined) return [];
  return rights.split(" ").map((right) => {
    const withoutKey = HARMLESS_WITHOUT_KEY[right];
    if (withoutKey) return { right, at: undefined, words: withoutKey };
    return { right, at, words: HARMLESS[right]?.(at.key) ?? [right] };
  });
}

interface Denial {
  readonly what: string;
  /** The ACL rule that would grant it. */
  readonly rule: string;
}

/** Undefined: allowed. Asks ACL DRYRUN where it may, which leaves no trace in ACL LOG; else tries. */
async function denialOf(
  connection: Connection,
  { right, at, words }: Call,
  user: string | undefined,
): Promise<Denial | undefined> {
  const answer = await (user === undefined ? refusalOf(connection, words) : dryRun(connection, user, words));
  if (answer === undefined) return undefined;
  const name = right.replace("|", " ").toUpperCase();
  if (at && /\bkeys?\b/i.test(answer)) return { what: `the key ${at.rule.slice(1)}`, rule: at.rule };
  return { what: name, rule: `+${right}` };
}

async function userName(connection: Connection): Promise<string | undefined> {
  try {
    return await whoAmI(connection);
  } catch (error) {
    if (error instanceof ServerError) return undefined;
    throw error;
  }
}

/** Redis 7.0, for users who may ask for rights. */
async function canDryRun(connection: Connection, user: string): Promise<boolean> {
  try {
    await dryRun(connection, user, ["PING"]);
    return true;
  } catch (error) {
    if (error instanceof ServerError) return false;
    throw error;
  }
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
