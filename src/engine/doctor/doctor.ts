import type { StreamKey } from "../../entry/names.ts";
import { ConnectionError, ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { isDenied } from "../../redis/errors.ts";
import { groupInfos, streamInfo } from "../../redis/ops/info.ts";
import { clusterInfo, serverNowMs } from "../../redis/ops/server.ts";
import { dlqKey, type DlqNaming } from "../dlq/name.ts";
import { explain } from "../groups/missing.ts";
import { type Finding, unseen } from "./finding.ts";
import { checkGroup } from "./group-checks.ts";
import { checkRights } from "./rights.ts";
import { checkCluster, checkServer, evictsVolatile } from "./server-checks.ts";
import { serverFacts } from "./server-facts.ts";
import { checkStream } from "./stream-checks.ts";

export interface DoctorRequest {
  readonly streams: readonly StreamKey[];
  /** Streams that must be there; any other one may vanish while we look. */
  readonly named: ReadonlySet<StreamKey>;
  /** How queues are named, if not as usual. */
  readonly dlqTemplate: string | undefined;
  /** A consumer that holds entries is dead when not heard of for so long. */
  readonly deadAfterMs: number;
  /** One that holds none, by the way, is of no use any more. */
  readonly emptyAfterMs: number;
  /** Who one connects as, for a user who may not ask. */
  readonly user: string;
  readonly signal: AbortSignal;
  /** How many of the streams have been looked at. */
  readonly onProgress?: (looked: number) => void;
}

/** Streams looked at side by side. */
const AT_ONCE = 20;

/** Looks at the server, at the user's rights and at every stream with its groups. Changes nothing. */
export async function* diagnose(connection: Connection, request: DoctorRequest): AsyncGenerator<Finding> {
  const servers = await serverFacts(connection);
  // Queues are named as in a cluster also when only one of its nodes was named.
  const cluster = connection.cluster || servers.some(({ info }) => info?.get("cluster_enabled") === "1");
  const naming: DlqNaming = { cluster, template: request.dlqTemplate };
  for (const facts of servers) yield* checkServer(facts, connection.cluster);
  if (connection.cluster) yield* await clusterState(connection);
  yield* await rights(connection, request, naming);
  const { streams, signal } = request;
  const environment: Environment = {
    evictsVolatile: servers.some(evictsVolatile),
    naming,
    queues: new Set(streams.map((stream) => dlqKey(stream, naming))),
  };
  for (let at = 0; at < streams.length && !signal.aborted; at += AT_ONCE) {
    const batch = streams.slice(at, at + AT_ONCE);
    const found = await Promise.all(batch.map((stream) => examine(connection, stream, request, environment)));
    yield* found.flat();
    request.onProgress?.(at + batch.length);
  }
}

async function clusterState(connection: Connection): Promise<Finding[]> {
  try {
    return checkCluster(await clusterInfo(connection));
  } catch (error) {
    if (error instanceof ServerError) return [unseen("the cluster", error.message)];
    throw error;
  }
}

/** Rights on streams that have a name in common are the same as a rule: without names, one stream stands for all. */
async function rights(
  connection: Connection,
  { streams, named, user }: DoctorRequest,
  naming: DlqNaming,
): Promise<Finding[]> {
  const looked = named.size > 0 ? [...named] : streams.slice(0, 1);
  const found = await Promise.all(
    looked.map((stream) =>
      checkRights(connection, stream, naming, user).catch((error: unknown) => {
        if (isNodeAway(connection, error)) return [unseen("the user's rights", error.message, { stream })];
        throw error;
      }),
    ),
  );
  return found.flat();
}

/** The other nodes of a cluster still have something to tell. */
function isNodeAway(connection: Connection, error: unknown): error is ConnectionError {
  return connection.cluster && error instanceof ConnectionError;
}

interface Environment {
  readonly evictsVolatile: boolean;
  readonly naming: DlqNaming;
  /** The names of the streams' dead-letter queues. */
  readonly queues: ReadonlySet<string>;
}

async function examine(
  connection: Connection,
  stream: StreamKey,
  request: DoctorRequest,
  { evictsVolatile, naming, queues }: Environment,
): Promise<Finding[]> {
  const { named, deadAfterMs, emptyAfterMs } = request;
  try {
    const [groups, info, nowMs] = await Promise.all([
      groupInfos(connection, stream),
      streamInfo(connection, stream),
      serverNowMs(connection),
    ]);
    const isQueue = queues.has(stream) || stream.endsWith(":dlq");
    const dlq = isQueue ? undefined : dlqKey(stream, naming);
    const found = await checkStream(connection, stream, info, { nowMs, evictsVolatile, dlq });
    for (const group of groups)
      found.push(
        ...(await checkGroup(connection, group, { stream, info, nowMs, deadAfterMs, emptyAfterMs })),
      );
    return found;
  } catch (error) {
    if (isNodeAway(connection, error)) return [unseen("the stream", error.message, { stream })];
    if (!(error instanceof ServerError)) throw error;
    const mustBeThere = named.has(stream);
    if (error.kind === "notFound" && !mustBeThere) return [];
    if (isDenied(error)) return [unseen("the stream", error.message, { stream })];
    throw await explain(connection, stream, undefined, error);
  }
}
