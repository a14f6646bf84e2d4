import { hostname } from "node:os";
import type { Context } from "../../context.ts";
import { makeConsumerName } from "../../engine/consumer-name.ts";
import { dlqKey } from "../../engine/dlq/name.ts";
import { retryDelays } from "../../engine/worker/retries.ts";
import { namingType } from "../../engine/groups/missing.ts";
import type { HandlerOutput } from "../../engine/handlers/handler.ts";
import { makeHandler } from "../../engine/handlers/make-handler.ts";
import type { WorkerResult, WorkerSettings, RetryPolicy } from "../../engine/worker/types.ts";
import type { GroupName } from "../../entry/names.ts";
import { Holders } from "../../redis/ops/holders.ts";
import { entryFilter } from "../../engine/where.ts";
import { Worker } from "../../engine/worker/worker.ts";
import { errorText, ExitCode, StreamctlError, UsageError } from "../../errors.ts";
import { PipeClosed } from "../../output/output.ts";
import { startLiveLine } from "../../output/live-line.ts";
import { workerReport } from "../../output/worker-report.ts";
import { notWithoutCluster } from "../../redis/errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { type Streams, streamsOf } from "../../redis/ops/streams.ts";
import { runNameOf } from "../../redis/ops/namesakes.ts";
import { serverName, tellsInactive } from "../../redis/server-name.ts";
import { version } from "../../version.ts";
import { ReplicatedCaller } from "../../redis/replicated.ts";
import { mustHaveReplicas, Replicas } from "../../redis/replicas.ts";
import { StreamArguments } from "../stream-arguments.ts";
import { observers, pollLag, workerMetrics } from "./worker-metrics.ts";
import type { ConsumeFlags } from "./consume.ts";
import { parseExitCodes } from "./handler-flags.ts";
import { aheadOf, handlerSettings, type HandlerRequest, systemOf } from "./handler-settings.ts";
import { untilTimeIsUp } from "./time-limit.ts";

export interface WorkerRequest extends HandlerRequest {
  /** Streams, or glob patterns for them. */
  readonly patterns: readonly string[];
  readonly group: GroupName;
}

/** `consume STREAM… -g GROUP --exec COMMAND`: runs until it is stopped or an end is reached. */
export async function runWorker(context: Context, request: WorkerRequest): Promise<number> {
  const { io, log, output } = context;
  const { group, flags } = request;
  const who = { group, consumer: flags.consumer ?? makeConsumerName(io.pid) };
  const runName = runNameOf(who);
  const handling = await handlerSettings(context, request, who);
  const asked = workerSettings(flags, who, io.pid);
  // With stderr it is how many service managers start what is not to log.
  if (output.absent === "alone" && flags.emit === undefined && flags.post === undefined)
    throw new UsageError("stdout is closed: what handlers print would be lost, and its entries acked", {
      hint: "give it a file or a pipe; > /dev/null if that is meant",
    });
  log.begin({ stream: request.patterns.join(", "), ...who });
  const { variables = [] } = io.altered ?? {};
  if (variables.length > 0) log.warn(`not UTF-8, so handlers get them altered: ${variables.join(", ")}`);
  await context.mustBeWritable();
  const connection = await context.connect({ untilStopped: true, runName });
  if (await connection.persist(() => connection.isOneNode()))
    throw notWithoutCluster("a worker would find no way to its dead-letter queue");
  const settling = await settlingStreams(connection, flags.waitReplicas);
  const naming = { cluster: connection.cluster, template: context.config.dlqTemplate, explicit: flags.dlq };
  const own = [flags.dlq, flags.emit].filter((key) => key !== undefined);
  const args = new StreamArguments(context, connection, request.patterns, { except: new Set(own) });
  // What is to end when nothing is left has nothing to wait for.
  const roster = await args.roster(!asked.ends.untilEmpty);
  const server = await serverName(connection);
  const streams = streamsOf(connection);
  const holders = new Holders(streams, { group: asked.group, required: asked.orderBy !== undefined });
  const settings: WorkerSettings = {
    ...asked,
    get streams() {
      return roster.streams;
    },
    dlqKey: (stream) => dlqKey(stream, naming),
    holders: (stream) => holders.of(stream),
    beginHolding: (stream) => holders.begin(stream),
    tellsInactive: tellsInactive(server),
  };
  const reader = await connection.reader();
  const report = workerReport(log, settings);
  context.defer(() => report.end());
  const lag = await pollLag(context, connection, settings, flags);
  const watched = { connection, reader, settings, lag, state: () => worker.state };
  const metrics = await workerMetrics(context, flags, watched);
  const status = startLiveLine(log, () => report.statusLine(worker.state, lag?.latest));
  context.defer(() => status.stop());
  const handlerOutput: HandlerOutput = {
    async stdout(lines) {
      try {
        await output.write(lines);
      } catch (error) {
        // With nobody reading stdout the run is being stopped; what handlers still say has no reader.
        if (error instanceof PipeClosed) return;
        worker.fail(
          new StreamctlError("failed", errorText(error), {
            hint: "entries whose output is lost were handed back to the group",
            cause: error,
          }),
        );
        throw error;
      }
    },
    stderr: (lines) => log.passThrough(lines),
  };
  const handler = await makeHandler(handling, {
    system: systemOf(io),
    output: handlerOutput,
    notice: (level, message) => report.observer.notice(level, message),
  });
  const worker = new Worker({
    connection,
    streams,
    settling,
    reader,
    settings,
    roster,
    handler,
    observer: metrics ? observers(report.observer, metrics.observer) : report.observer,
    stop: untilTimeIsUp(context, flags.maxRuntime),
    kill: context.kill,
  });
  const onStop = (): void => {
    const { reason } = context.stop as { reason: unknown };
    if (typeof reason === "string") report.stopping(reason, worker.state, worker.inFlight(3));
  };
  context.stop.addEventListener("abort", onStop, { once: true });
  await metrics?.listen();
  report.started({ version, target: connection.target, server, asked: request.patterns, jobs: flags.jobs });
  const startedAt = Date.now();
  const result = await worker.run().catch(async (error: unknown) => {
    throw await namingType(connection, error);
  });
  status.stop();
  report.summary(result, Date.now() - startedAt, output.format === "json");
  return exitCode(context, result, flags);
}

/** `--wait-replicas`: verdicts are sent in a way of their own. One that replicas don't confirm in this time is told of. */
async function settlingStreams(
  connection: Connection,
  count: number | undefined,
): Promise<Streams | undefined> {
  if (count === undefined) return undefined;
  await mustHaveReplicas(connection, count);
  const replicas = new Replicas({ count, limitMs: REPLICAS_MS }, connection.settings.commandTimeoutMs);
  return streamsOf(new ReplicatedCaller(connection, replicas));
}

const REPLICAS_MS = 1_000;

type Who = { readonly group: GroupName; readonly consumer: string };

function workerSettings(
  flags: ConsumeFlags,
  who: Who,
  pid: number,
): Omit<WorkerSettings, "streams" | "dlqKey"> {
  const { retryDelay: delayMs, claimIdle: claimIdleMs } = flags;
  if (claimIdleMs < MIN_CLAIM_IDLE_MS)
    throw new UsageError(`--claim-idle must be at least ${MIN_CLAIM_IDLE_MS}ms`);
  if (flags.dedupeTtl === 0) throw new UsageError("--dedupe-ttl 0 would remember nothing");
  return {
    group: who.group,
    consumer: who.consumer,
    consumerIsUnique: flags.consumer === undefined,
    orderBy: flags.orderBy,
    ahead: aheadOf(flags) * flags.jobs * (flags.batch ?? 1),
    where: flags.where && entryFilter(flags.where),
    ratePerSecond: flags.rate,
    pauseAfter: flags.pauseAfter,
    dedupe: flags.dedupe === undefined ? undefined : { field: flags.dedupe, ttlMs: flags.dedupeTtl },
    emitTo: flags.emit,
    claimIdleMs,
    retry: {
      maxDeliveries: flags.maxDeliveries,
      ...retryDelays(delayMs, flags.retryMaxDelay),
      ...exitCodes(flags),
    },
    shutdownTimeoutMs: flags.shutdownTimeout,
    killAfterMs: flags.killAfter,
    deleteAcked: flags.delete,
    register: flags.register ? { host: hostname(), pid, version } : undefined,
    createAt: flags.createGroup ? flags.groupStart : undefined,
    ends: {
      count: flags.count,
      untilEmpty: flags.untilEmpty,
      idleMs: flags.idleExit,
    },
  };
}

function exitCodes(flags: ConsumeFlags): Pick<RetryPolicy, "deadOn" | "retryOn"> {
  const deadOn = parseExitCodes("--dead-on", flags.deadOn ?? []);
  const retryOn = parseExitCodes("--retry-on", flags.retryOn ?? []);
  for (const code of deadOn) {
    if (retryOn.has(code)) throw new UsageError(`exit code ${code} is in --dead-on and in --retry-on`);
  }
  return { deadOn, retryOn };
}

/** Below this, an ordinary pause of this process would look like its death. */
const MIN_CLAIM_IDLE_MS = 100;

/** A stop that had to kill handlers was no clean stop. */
function exitCode(context: Context, result: WorkerResult, flags: ConsumeFlags): number {
  if (context.stop.aborted && result.killed > 0) return context.signalCode();
  if (flags.failOnDead && result.dead > 0) return ExitCode.partial;
  return ExitCode.ok;
}
