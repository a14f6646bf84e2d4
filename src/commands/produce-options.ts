import type { IdRule } from "../engine/produce/ids.ts";
import type { LagRule } from "../engine/produce/wait-lag.ts";
import type { InputOptions } from "../entry/sources/open-source.ts";
import type { PartitionRule } from "../engine/produce/partitions.ts";
import type { ProduceRequest } from "../engine/produce/request.ts";
import type { KeptTrim } from "../engine/produce/keep-unread.ts";
import { parseEntryId } from "../entry/id.ts";
import { UsageError } from "../errors.ts";

export const INPUT_FORMS = ["ndjson", "lines", "csv", "tsv", "entries"] as const;

const DEFAULT_MAX_LINE = 32 * 1024 * 1024;
const DEFAULT_KEY_TTL_MS = 24 * 60 * 60 * 1_000;
/** Each partition has buffers and a place in every look at a group's lag. */
const MOST_PARTITIONS = 1_024;

/** The options of produce as commander gives them. */
export interface ProduceOptions {
  readonly file?: string;
  readonly input?: (typeof INPUT_FORMS)[number];
  readonly field?: string;
  readonly skipLines?: number;
  readonly maxLine?: number;
  readonly schema?: string;
  readonly onError?: "stop" | "skip";
  readonly rejects?: string;
  readonly id?: string;
  readonly idField?: string;
  readonly keepId?: boolean;
  readonly idempotencyKey?: string;
  readonly idempotencyTtl?: number;
  readonly ids?: boolean;
  readonly partitions?: number;
  readonly partitionBy?: string;
  readonly create?: boolean;
  readonly maxlen?: number;
  readonly maxAge?: number;
  readonly exact?: boolean;
  readonly keepUnread?: boolean;
  readonly rate?: number;
  readonly waitLag?: LagRule;
  readonly output?: string;
  readonly json?: boolean;
}

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

/** Throws UsageError when options contradict each other. */
export function readProduceOptions(pairs: readonly string[], options: ProduceOptions): ProducePlan {
  const fields = pairs.flatMap(parsePair);
  const single = fields.length > 0;
  const form = options.input ?? "ndjson";
  if (single) mustHaveNoInput(options);
  if (options.field !== undefined && form !== "lines") throw new UsageError("--field needs --input lines");
  if (options.maxlen !== undefined && options.maxAge !== undefined)
    throw new UsageError("give --maxlen or --max-age, not both: Redis trims by one of them");
  const trim = options.maxlen !== undefined ? "length" : options.maxAge !== undefined ? "age" : "none";
  if (options.exact && trim === "none") throw new UsageError("--exact needs --maxlen or --max-age");
  const keptTrim = readKeptTrim(options);
  const skipLines = options.skipLines ?? 0;
  const json = options.json === true || options.output === "json";
  const asJson = json || options.output === "ndjson";
  return {
    input: {
      fields,
      form,
      field: options.field ?? "payload",
      file: options.file === "-" ? undefined : options.file,
      schema: options.schema,
      skipLines,
      maxLine: options.maxLine ?? DEFAULT_MAX_LINE,
    },
    request: {
      skipLines,
      ids: readIdRule(options),
      partitions: readPartitionRule(options),
      xadd: {
        noCreate: options.create === false,
        trim: keptTrim ? "none" : trim,
        maxLength: options.maxlen,
        exact: options.exact === true,
      },
      keptTrim,
      maxAgeMs: options.maxAge,
      rate: options.rate,
      waitLag: options.waitLag,
      onBadLine: options.onError ?? (options.rejects === undefined ? "stop" : "skip"),
      keepRaw: options.rejects !== undefined,
    },
    single,
    rejects: options.rejects,
    printIds: !single && options.ids !== true ? "no" : asJson ? "json" : "text",
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

function mustHaveNoInput(options: ProduceOptions): void {
  const given = (["file", "input", "skipLines", "rejects", "idField", "keepId"] as const).find(
    (name) => options[name] !== undefined,
  );
  if (given === undefined) return;
  const flag = given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new UsageError(`--${flag} is for entries that are read: give fields or an input, not both`);
}

function readKeptTrim({ keepUnread, maxlen, maxAge, exact = false }: ProduceOptions): KeptTrim | undefined {
  if (!keepUnread) return undefined;
  if (maxlen !== undefined) return { kind: "length", most: maxlen, exact };
  if (maxAge !== undefined) return { kind: "age", ms: maxAge, exact };
  throw new UsageError("--keep-unread needs --maxlen or --max-age");
}

function readPartitionRule({ partitions, partitionBy }: ProduceOptions): PartitionRule | undefined {
  if (partitions === undefined && partitionBy === undefined) return undefined;
  if (partitions === undefined) throw new UsageError("--partition-by needs --partitions");
  if (partitionBy === undefined)
    throw new UsageError("--partitions needs --partition-by: the field that decides where an entry goes");
  if (partitions > MOST_PARTITIONS) throw new UsageError(`--partitions can be ${MOST_PARTITIONS} at most`);
  return { count: partitions, field: partitionBy };
}

function readIdRule(options: ProduceOptions): IdRule {
  const { id, idField, keepId, idempotencyKey, idempotencyTtl, input } = options;
  if ([id, idField, keepId, idempotencyKey].filter((option) => option !== undefined).length > 1)
    throw new UsageError("give one of --id, --id-field, --keep-id and --idempotency-key");
  if (idempotencyTtl !== undefined && idempotencyKey === undefined)
    throw new UsageError("--idempotency-ttl needs --idempotency-key");
  if (idempotencyTtl === 0) throw new UsageError("--idempotency-ttl 0 would remember nothing");
  if (idempotencyKey !== undefined)
    return {
      kind: "keyed",
      field: idempotencyKey,
      ttlMs: idempotencyTtl ?? DEFAULT_KEY_TTL_MS,
    };
  if (keepId === true && input !== "entries") throw new UsageError("--keep-id needs --input entries");
  if (keepId === true) return { kind: "kept" };
  if (idField !== undefined) return { kind: "field", name: idField };
  if (id === undefined || id === "*") return { kind: "server" };
  if (/^\d{1,20}-\*$/.test(id)) return { kind: "fixed", id };
  const whole = parseEntryId(id);
  if (whole === undefined || whole === "0-0")
    throw new UsageError(`--id ${id} is not an entry ID like 1694012345678-0`);
  return { kind: "fixed", id: whole };
}
