import type { StreamKey } from "../../entry/names.ts";
import { siblingKey, siblingPrefix } from "../../redis/keys.ts";
import { dlqKey, type DlqNaming } from "../dlq/name.ts";

/** The keys that a command may touch: the stream and what stands beside it. */
export type Place =
  | "stream"
  | "dlq"
  | "markers"
  | "replays"
  | "scheduled"
  | "successes"
  | "pauses"
  | "workers";

/** What one command of streamctl calls: the server's commands by place, as ACL rules write them. */
export interface Need {
  readonly command: string;
  /** The command that needs all this in addition, with the flags that `command` names. */
  readonly beyond?: string;
  readonly rights: Readonly<Partial<Record<Place, string>>>;
}

const SCRIPT = "eval evalsha";
const LOOK = "xinfo|stream xinfo|groups";
const LAG = `${LOOK} xpending xrange time info`;

/** A test runs each command as a user who has just these rights. */
export const NEEDS: readonly Need[] = [
  { command: "produce", rights: { stream: "xadd" } },
  {
    command: "produce --idempotency-key",
    beyond: "produce",
    rights: { stream: SCRIPT, markers: "set get del" },
  },
  {
    command: "produce --delay",
    rights: { stream: `${SCRIPT} type time`, scheduled: "zadd zrem hset hstrlen hdel" },
  },
  { command: "produce --max-age", beyond: "produce", rights: { stream: "time" } },
  { command: "produce --id-field", beyond: "produce", rights: { stream: "xrange" } },
  { command: "produce --wait-lag", beyond: "produce", rights: { stream: `${LOOK} xrange info` } },
  { command: "produce --wait-replicas", beyond: "produce", rights: { stream: "wait info" } },
  { command: "consume", rights: { stream: "xrange xread xinfo|stream" } },
  { command: "consume -g", rights: { stream: "xreadgroup xack xpending xinfo|groups" } },
  { command: "consume -g --create-group", beyond: "consume -g", rights: { stream: "xgroup|create" } },
  {
    command: "consume --exec",
    rights: { stream: `xreadgroup xack xclaim xpending xrange xinfo|groups ${SCRIPT}`, dlq: "xadd" },
  },
  { command: "consume --exec --wait-replicas", beyond: "consume --exec", rights: { stream: "wait info" } },
  { command: "a group's pause in consume -g", beyond: "consume -g", rights: { pauses: "mget" } },
  {
    command: "a worker's line in group consumers",
    beyond: "consume --exec",
    rights: { stream: "time", workers: "hget hset hdel hscan pttl pexpire" },
  },
  { command: "pending", rights: { stream: `xpending xrange ${SCRIPT}` } },
  { command: "show", rights: { stream: `xrange xpending ${LOOK}` } },
  { command: "claim", rights: { stream: `xpending xrange xclaim xack ${SCRIPT}` } },
  { command: "ack", rights: { stream: `xpending xack ${SCRIPT}` } },
  { command: "release", rights: { stream: `xpending xrange xclaim ${SCRIPT}` } },
  { command: "dlq add", rights: { stream: `xpending xrange xack ${SCRIPT}`, dlq: "xadd" } },
  { command: "dedupe list", rights: { successes: "scan get pttl" } },
  { command: "dedupe forget", rights: { successes: "del" } },
  { command: "dlq list", rights: { dlq: "xinfo|stream xrange xrevrange" } },
  {
    command: "dlq replay",
    rights: {
      stream: `xadd xinfo|groups xrange xpending xclaim ${SCRIPT}`,
      dlq: "xinfo|stream xrange xdel",
      replays: "zadd zremrangebyscore pexpire",
    },
  },
  { command: "dlq purge", rights: { dlq: "xinfo|stream xrange xdel" } },
  {
    command: "schedule run",
    rights: {
      stream: `xadd xpending xclaim time ${SCRIPT}`,
      scheduled: "zadd zrem zrange zrangebyscore hget hdel hstrlen",
    },
  },
  {
    command: "schedule list",
    rights: { stream: `time ${SCRIPT}`, scheduled: "zcard zcount zrange hget hstrlen" },
  },
  {
    command: "schedule cancel",
    rights: {
      stream: `xpending xclaim time ${SCRIPT}`,
      scheduled: "zcard zcount zrange zscore hget hstrlen zrem hdel",
    },
  },
  { command: "trim", rights: { stream: `xtrim xpending xrange xrevrange ${LOOK} ${SCRIPT}` } },
  { command: "trim --max-age", beyond: "trim", rights: { stream: "time" } },
  { command: "lag", rights: { stream: LAG } },
  { command: "ls", rights: { stream: "scan xinfo|stream memory|usage" } },
  { command: "info", rights: { stream: `${LAG} memory|usage pttl` } },
  { command: "serve-metrics", rights: { stream: `scan ${LAG} memory|usage`, dlq: "xlen" } },
  { command: "group create", rights: { stream: "xgroup|create xinfo|groups" } },
  { command: "group set-id", rights: { stream: `xgroup|setid ${LOOK} xrange ${SCRIPT}` } },
  { command: "group destroy", rights: { stream: `xgroup|destroy ${LAG}` } },
  {
    command: "group pause",
    rights: { stream: `xinfo|groups ${SCRIPT}`, pauses: "get set time" },
  },
  { command: "group resume", rights: { stream: `xinfo|groups ${SCRIPT}`, pauses: "get del" } },
  { command: "group consumers", rights: { stream: "xinfo|groups xinfo|consumers" } },
  {
    command: "group forget-consumer",
    rights: { stream: `xgroup|delconsumer xinfo|consumers xpending xrange xclaim xack ${SCRIPT}` },
  },
];

/** A key to try a command on, and the ACL rule for all keys of its kind. */
export interface PlaceKey {
  readonly key: string;
  readonly rule: string;
}

/** Undefined for what the stream's name does not allow. `nobody` is in no key's name. */
export function placesOf(
  stream: StreamKey,
  naming: DlqNaming,
  nobody: string,
): Readonly<Record<Place, PlaceKey | undefined>> {
  const markers = siblingPrefix(stream, ":produced:", naming.cluster);
  const scheduled = siblingKey(stream, ":scheduled", naming.cluster);
  const successes = siblingPrefix(stream, ":done:", naming.cluster);
  const pauses = siblingPrefix(stream, ":paused:", naming.cluster);
  const workers = siblingPrefix(stream, ":workers:", naming.cluster);
  const alone = (key: string): PlaceKey => ({ key, rule: `~${key}` });
  return {
    stream: alone(stream),
    dlq: alone(dlqKey(stream, naming)),
    markers: markers === undefined ? undefined : { key: markers + nobody, rule: `~${markers}*` },
    // Its two keys begin alike.
    scheduled: { key: scheduled, rule: `~${scheduled}*` },
    successes: successes === undefined ? undefined : { key: successes + nobody, rule: `~${successes}*` },
    pauses: pauses === undefined ? undefined : { key: pauses + nobody, rule: `~${pauses}*` },
    workers: workers === undefined ? undefined : { key: workers + nobody, rule: `~${workers}*` },
    replays: alone(siblingKey(stream, ":replays", naming.cluster)),
  };
}
