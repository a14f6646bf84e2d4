import { compareIds, nextId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { type ConsumerInfo, consumerInfos, type GroupInfo, type StreamInfo } from "../../redis/ops/info.ts";
import { type Pause, pausesOf } from "../../redis/ops/pause.ts";
import { atOneTime, workersOf } from "../../redis/ops/register.ts";
import { rangePage } from "../../redis/ops/range.ts";
import { durationFlag, formatCount, formatDuration, formatNumber } from "../../units.ts";
import { looksDead } from "../groups/consumers.ts";
import { shellWord } from "../groups/missing.ts";
import { pauseText } from "../groups/pause-text.ts";
import { provenLag } from "../lag/proven-lag.ts";
import { ageMs } from "../lag/lag.ts";
import { type Finding, finding, type GroupPlace, type Place, unseen } from "./finding.ts";
import { checkPending } from "./pending-checks.ts";

export interface GroupEnvironment {
  readonly stream: StreamKey;
  readonly info: StreamInfo;
  readonly nowMs: number;
  readonly deadAfterMs: number;
  readonly emptyAfterMs: number;
}

/** More dead consumers of one group are added up. */
const NAMED = 10;
/** Fewer empty consumers are no pile. */
const PILE = 10;

/** What is wrong with a group of a stream. */
export async function checkGroup(
  connection: Connection,
  group: GroupInfo,
  environment: GroupEnvironment,
): Promise<Finding[]> {
  const place = { stream: environment.stream, group: group.name };
  const [seenPause] = await pausesOf(connection, group.name, [place.stream]);
  const pause = seenPause === "refused" ? undefined : seenPause;
  const shared = await seen("the workers", place, () =>
    sharedConsumers(connection, place, environment.nowMs),
  );
  const [consumers, pending] = await Promise.all([
    seen("the consumers", place, async () => {
      const infos = await consumerInfos(connection, place.stream, group.name);
      return [
        ...deadConsumers(infos, environment.deadAfterMs, place),
        ...emptyConsumers(infos, environment.emptyAfterMs, place),
        // That nobody reads is what a pause is for.
        ...(pause ? [] : await unread(connection, group, infos, environment)),
      ];
    }),
    seen("what is pending", place, () => checkPending(connection, group, place)),
  ]);
  return [...paused(pause, place), ...shared, ...consumers, ...pending];
}

/** Each takes what the other has in hand for its own, or for what it has lost. */
async function sharedConsumers(connection: Connection, place: GroupPlace, nowMs: number): Promise<Finding[]> {
  const workers = await workersOf(connection, place.stream, place.group, async () => nowMs);
  return [...(workers ?? [])]
    .flatMap(([consumer, named]) => {
      const together = atOneTime(named);
      if (together.length < 2) return [];
      const who = together.slice(0, NAMED).map(({ host, pid }) => `pid ${pid} on ${host}`);
      const evidence = `${formatCount(together.length, "worker")} work by that name at one time: ${who.join(", ")}`;
      const fix = "give each a --consumer of its own, or none";
      return [finding("warning", "shared-consumer", evidence, fix, { ...place, consumer })];
    })
    .slice(0, NAMED);
}

function paused(pause: Pause | undefined, place: GroupPlace): Finding[] {
  if (pause === undefined) return [];
  const fix = `streamctl group resume ${shellWord(place.stream)} ${shellWord(place.group)}`;
  return [finding("warning", "paused-group", `it takes no entries: paused ${pauseText(pause)}`, fix, place)];
}

/** A group that goes meanwhile has nothing wrong with it; what the user may not see is said. */
async function seen(what: string, place: Place, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    return error.kind === "notFound" ? [] : [unseen(what, error.message, place)];
  }
}

function deadConsumers(infos: readonly ConsumerInfo[], deadAfterMs: number, place: GroupPlace): Finding[] {
  const dead = infos.filter((info) => looksDead(info, deadAfterMs)).sort((a, b) => b.pending - a.pending);
  const claim = `streamctl claim ${shellWord(place.stream)} -g ${shellWord(place.group)} --all`;
  const found = dead
    .slice(0, NAMED)
    .map(({ name, pending, idleMs }) =>
      finding(
        "error",
        "dead-consumer",
        `it holds ${formatCount(pending, "pending entry", "pending entries")} and was not heard of for ${formatDuration(idleMs)}`,
        `${claim} --from-consumer ${shellWord(name)} --to CONSUMER, or start a worker, which takes them over`,
        { ...place, consumer: name },
      ),
    );
  const rest = dead.slice(NAMED);
  if (rest.length === 0) return found;
  const held = formatNumber(rest.reduce((sum, { pending }) => sum + pending, 0));
  const evidence = `${rest.length} more consumers look dead and hold ${held} pending entries`;
  return [
    ...found,
    finding(
      "error",
      "dead-consumer",
      evidence,
      `${claim} --min-idle ${durationFlag(deadAfterMs)} --to CONSUMER`,
      place,
    ),
  ];
}

/** What workers leave behind that were killed, or that had no right to remove it. */
function emptyConsumers(infos: readonly ConsumerInfo[], emptyAfterMs: number, place: GroupPlace): Finding[] {
  const empty = infos.filter(({ pending, idleMs }) => pending === 0 && idleMs >= emptyAfterMs);
  if (empty.length < PILE) return [];
  const evidence = `${formatNumber(empty.length)} of ${formatCount(infos.length, "consumer")} hold nothing and were not heard of for ${formatDuration(emptyAfterMs)}`;
  const fix = `streamctl group forget-consumer ${shellWord(place.stream)} -g ${shellWord(place.group)} --all-empty --idle ${durationFlag(emptyAfterMs)}`;
  return [finding("warning", "empty-consumers", evidence, fix, place)];
}

/** Entries wait for the group, and nobody has come for them for long. */
async function unread(
  connection: Connection,
  groupInfo: GroupInfo,
  consumers: readonly ConsumerInfo[],
  { stream, info, nowMs, deadAfterMs }: GroupEnvironment,
): Promise<Finding[]> {
  const { name: group, lastDeliveredId } = groupInfo;
  if (info.lastId === undefined || compareIds(lastDeliveredId, info.lastId) >= 0) return [];
  const idleMs = Math.min(...consumers.map((consumer) => consumer.idleMs));
  if (idleMs < deadAfterMs) return [];
  const from = nextId(lastDeliveredId) ?? "+";
  const [oldest] = await rangePage(connection, stream, { from, to: "+", count: 1 });
  if (!oldest) return [];
  const waiting = ageMs(oldest.id, nowMs);
  if (waiting !== null && waiting < deadAfterMs) return [];
  const nobody =
    consumers.length === 0 ? "it has no consumers" : `nobody has read for ${formatDuration(idleMs)}`;
  const lag = provenLag(info, groupInfo);
  const behind = lag === undefined ? "entries wait" : formatCount(lag, "entry waits", "entries wait");
  const since = waiting === null ? "" : `, the oldest for ${formatDuration(waiting)}`;
  const evidence = `${nobody}, and ${behind} for it${since}: trim keeps everything from ${oldest.id} on`;
  const fix = `start its consumers: streamctl consume ${shellWord(stream)} -g ${shellWord(group)} --exec COMMAND`;
  return [finding("warning", "unread-group", evidence, fix, { stream, group })];
}
