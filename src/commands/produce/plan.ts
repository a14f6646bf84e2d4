import type { IdRule } from "../../engine/produce/ids.ts";
import type { DueRule } from "../../engine/produce/later.ts";
import type { InputOptions } from "../../entry/sources/open-source.ts";
import type { PartitionRule } from "../../engine/produce/partitions.ts";
import type { ProduceRequest } from "../../engine/produce/request.ts";
import type { KeptTrim } from "../../engine/produce/keep-unread.ts";
import { parseEntryId } from "../../entry/id.ts";
import { UsageError } from "../../errors.ts";
import type { ProduceFlags } from "./produce.ts";

/** Each partition has buffers and a place in every look at a group's lag. */
const MOST_PARTITIONS = 1_024;

/** What a command line of produce asks for, checked. */
export interface ProducePlan {
  readonly input: InputOptions;
  readonly request: Omit<ProduceRequest, "stream" | "source" | "signal">;
  /** One entry, given as arguments. */
  readonly single: boolean;
  readonly rejects: string | undefined;
  readonly printIds: "no" | "text" | "json";
  /** The summary as a JSON object. */
  readonly json: boolean;
}

/** Throws UsageError for what no rule of a single flag can say. */
export function planProduce(pairs: readonly string[], flags: ProduceFlags): ProducePlan {
  const fields = pairs.flatMap(parsePair);
  const single = fields.length > 0;
  const trim = flags.maxlen !== undefined ? "length" : flags.maxAge !== undefined ? "age" : "none";
  const keptTrim = readKeptTrim(flags);
  const { skipLines = 0 } = flags;
  const json = flags.json || flags.output === "json";
  const asJson = json || flags.output === "ndjson";
  return {
    input: {
      fields,
      form: flags.input,
      field: flags.field,
      file: flags.file === "-" ? undefined : flags.file,
      schema: flags.schema,
      skipLines,
      maxLine: flags.maxLine,
    },
    request: {
      skipLines,
      ids: readIdRule(flags),
      partitions: readPartitionRule(flags),
      xadd: {
        noCreate: !flags.create,
        trim: keptTrim ? "none" : trim,
        maxLength: flags.maxlen,
        exact: flags.exact,
      },
      later: readDueRule(flags),
      keptTrim,
      maxAgeMs: flags.maxAge,
      rate: flags.rate,
      replicas:
        flags.waitReplicas === undefined
          ? undefined
          : { count: flags.waitReplicas, limitMs: flags.waitTimeout },
      waitLag: flags.waitLag,
      onBadLine: flags.onError ?? (flags.rejects === undefined ? "stop" : "skip"),
      keepRaw: flags.rejects !== undefined,
    },
    single,
    rejects: flags.rejects,
    printIds: !single && !flags.ids ? "no" : asJson ? "json" : "text",
    json,
  };
}

/** `name=value`; the value may hold further `=`. */
function parsePair(pair: string): [Buffer, Buffer] {
  const at = pair.indexOf("=");
  if (at < 1) {
    throw new UsageError(`not FIELD=VALUE: ${pair}`, {
      hint: "give fields as name=value, or none to read entries from stdin",
    });
  }
  return [Buffer.from(pair.slice(0, at)), Buffer.from(pair.slice(at + 1))];
}

function readKeptTrim({ keepUnread, maxlen, maxAge, exact }: ProduceFlags): KeptTrim | undefined {
  if (!keepUnread) return undefined;
  if (maxlen !== undefined) return { kind: "length", most: maxlen, exact };
  return maxAge === undefined ? undefined : { kind: "age", ms: maxAge, exact };
}

function readPartitionRule({ partitions, partitionBy }: ProduceFlags): PartitionRule | undefined {
  if (partitions === undefined) return undefined;
  if (partitionBy === undefined)
    throw new UsageError("--partitions needs --partition-by: the field that decides where an entry goes");
  if (partitions > MOST_PARTITIONS) throw new UsageError(`--partitions can be ${MOST_PARTITIONS} at most`);
  return { count: partitions, field: partitionBy };
}

function readDueRule({ delay, at, delayField }: ProduceFlags): DueRule | undefined {
  if (delay !== undefined) return { kind: "in", ms: delay };
  if (at !== undefined) return { kind: "at", ms: at };
  return delayField === undefined ? undefined : { kind: "field", name: delayField };
}

function readIdRule({ id, idField, keepId, idempotencyKey, idempotencyTtl }: ProduceFlags): IdRule {
  if (idempotencyTtl === 0) throw new UsageError("--idempotency-ttl 0 would remember nothing");
  if (idempotencyKey !== undefined) return { kind: "keyed", field: idempotencyKey, ttlMs: idempotencyTtl };
  if (keepId) return { kind: "kept" };
  if (idField !== undefined) return { kind: "field", name: idField };
  if (id === undefined || id === "*") return { kind: "server" };
  if (/^\d{1,20}-\*$/.test(id)) return { kind: "fixed", id };
  const whole = parseEntryId(id);
  if (whole === undefined || whole === "0-0")
    throw new UsageError(`--id ${id} is not an entry ID like 1694012345678-0`);
  return { kind: "fixed", id: whole };
}
