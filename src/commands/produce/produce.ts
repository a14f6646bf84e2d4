import { groupName } from "../../entry/names.ts";
import { MOMENT_FORMS, parseMoment } from "../../engine/position.ts";
import { parseCount } from "../../units.ts";
import type { LagRule } from "../../engine/produce/wait-lag.ts";
import { argument, command, type FlagsOf } from "../command.ts";
import { alternatives, flag, section } from "../flag.ts";

/** Of entries that are read: fields on the command line leave them nothing to do. */
const OF_INPUT = {
  any: ["[field=value...]"],
  says: " is for entries that are read: give fields or an input, not both",
};

const INPUT = [
  flag.text("--file <file>", "read entries from this file (- is stdin; gzip is unpacked)", {
    not: OF_INPUT,
    defaults: "not in projects",
  }),
  flag.choice("--input <form>", "what a line is", ["ndjson", "lines", "csv", "tsv", "entries"], {
    default: "ndjson",
    not: OF_INPUT,
  }),
  flag.text("--field <name>", "with --input lines: the field that holds the line", {
    default: "payload",
    needs: { any: ["--input lines"], says: " needs --input lines" },
  }),
  flag.count("--skip-lines <n>", "pass over the first n lines: resumes an earlier run", {
    least: 0,
    not: OF_INPUT,
  }),
  flag.size("--max-line <size>", "the longest line accepted", { default: "32mb" }),
  flag.text("--schema <file>", "a JSON Schema: what does not match it is a bad line"),
  flag.choice("--on-error <what>", "at a bad line", ["stop", "skip"], { otherwise: "stop" }),
  flag.text("--rejects <file>", "append bad lines to this file as they are; implies --on-error skip", {
    not: OF_INPUT,
    defaults: "not in projects",
  }),
] as const;

const ENTRIES = [
  ...alternatives(
    [
      flag.text("--id <id>", "the entry's ID: <ms>-<seq>, <ms>, or <ms>-* (Redis 7.0)"),
      flag.text("--id-field <name>", "take the ID of each entry from this field", { not: OF_INPUT }),
      flag.switch("--keep-id", "with --input entries: keep the IDs", {
        not: OF_INPUT,
        needs: { any: ["--input entries"], says: " needs --input entries" },
      }),
      flag.text(
        "--idempotency-key <field>",
        "add an entry only if none with this field's value was added before",
      ),
    ],
    "give one of --id, --id-field, --keep-id and --idempotency-key",
  ),
  flag.duration("--idempotency-ttl <duration>", "how long such keys are known", {
    default: "24h",
    needs: { any: ["--idempotency-key"], says: " needs --idempotency-key" },
  }),
  flag.switch("--ids", "print the ID of every entry (that of a single one is always printed)"),
] as const;

/** What has its say only when an entry is added. */
const LATER_NOT = {
  not: {
    any: ["--id", "--id-field", "--keep-id", "--maxlen", "--max-age", "--wait-lag"],
    says: ": an entry that is added later gets its ID then; trim with streamctl trim, and no lag holds it up",
  },
} as const;

/** Of a stream that is trimmed. */
const OF_TRIMMING = { any: ["--maxlen", "--max-age"], says: " needs --maxlen or --max-age" };

const STREAM = [
  flag.switch("--no-create", "fail when the stream does not exist (Redis 6.2)"),
  ...alternatives(
    [
      flag.count("--maxlen <n>", "trim the stream to about n entries", { least: 0 }),
      flag.duration("--max-age <duration>", "trim entries older than that (Redis 6.2)"),
    ],
    "give --maxlen or --max-age, not both: Redis trims by one of them",
  ),
  flag.switch("--exact", "trim exactly, not by whole nodes", { needs: OF_TRIMMING }),
  flag.switch("--keep-unread", "trim only what every group has been given and has acked", {
    needs: OF_TRIMMING,
  }),
  flag.count("--partitions <n>", "spread the entries over <stream>:0 … <stream>:<n-1>"),
  flag.text("--partition-by <field>", "entries with one value of this field go to one partition, in order", {
    needs: { any: ["--partitions"], says: " needs --partitions" },
  }),
] as const;

/** The entry gets its ID, and the stream is trimmed, when the entry is added, by others than this run. */
const LATER = [
  ...alternatives(
    [
      flag.duration("--delay <duration>", "add the entries only after that", LATER_NOT),
      flag.value(
        "--at <time>",
        "add the entries only then",
        { parse: parseMoment, form: MOMENT_FORMS },
        LATER_NOT,
      ),
      flag.text(
        "--delay-field <name>",
        "each entry after the duration, or at the time, in this field",
        LATER_NOT,
      ),
    ],
    "give one of --delay, --at and --delay-field",
  ),
] as const;

const PACE = [
  flag.rate("--rate <rate>", "send no more than this, e.g. 500/s"),
  flag.value("--wait-lag <group:n>", "wait while this group has more than n entries to be given", {
    parse: parseLagRule,
    form: "a group and a count, like billing:1000 (10k is understood)",
  }),
] as const;

/** The name of a group may have colons, too. */
function parseLagRule(text: string): LagRule | undefined {
  const colon = text.lastIndexOf(":");
  const most = parseCount(text.slice(colon + 1));
  return colon < 1 || most === undefined ? undefined : { group: groupName(text.slice(0, colon)), most };
}

const SAFETY = [
  flag.count("--wait-replicas <n>", "an entry counts as written only once so many replicas have it"),
  flag.duration("--wait-timeout <duration>", "how long they may take; then the run ends with exit code 7", {
    default: "10s",
    needs: { any: ["--wait-replicas"], says: " needs --wait-replicas" },
  }),
] as const;

const flags = [
  ...section("Input:", INPUT),
  ...section("Entries:", ENTRIES),
  ...section("Stream:", STREAM),
  ...section("Replicas:", SAFETY),
  ...section("Later:", LATER),
  ...section("Pace:", PACE),
] as const;

export type ProduceFlags = FlagsOf<typeof flags>;

export const produce = command({
  name: "produce",
  about: "add entries to a stream",
  args: [
    argument("<stream>", "the stream's key"),
    argument("[field=value...]", "the fields of one entry; without any, entries are read from stdin"),
  ],
  flags,
  notes: `
Forms of input:
  ndjson    one JSON object a line, one field per key, in the order written. A string is sent as its
            characters, any other value as the exact JSON text of the input (64-bit integers, 1.10)
  lines     each line is the value of one field
  csv, tsv  the first record names the fields; in tsv nothing is quoted
  entries   what consume prints: {"id":"…","fields":{…}}, with {"base64":"…"} for binary values
Empty lines are passed over in every form, and counted.

An entry with an ID of its own (--id, --id-field, --keep-id) that is there already with the same fields
counts as done, so such a run can be repeated without harm. So it can with --idempotency-key, on any server:
a key next to the stream remembers each value for --idempotency-ttl. Without either, an entry whose reply is
lost is never sent again: the run ends with exit code 7 and says which lines are in doubt.

With --wait-replicas an ID is printed, and a line counted, once Redis has said (WAIT) that so many replicas have
the entry; without so many replicas the run does not begin. What they do not confirm within --wait-timeout is
written on the primary all the same, and may be lost with it: the run ends, names those entries and exits with 7.

--maxlen and --max-age trim whatever groups still need, and warn when they do; --keep-unread trims up to that.

A schema sees the JSON of an ndjson line, and of other forms an object of strings, one per field. Under it, a
name that stands twice makes a line bad, and numbers are compared exactly as they are written. The
partition of an entry is the CRC-32 of the field's value modulo n.`,
  examples: [
    "streamctl produce orders orderId=42 amount=9.99",
    "streamctl produce orders --file orders.ndjson --on-error skip --rejects bad.ndjson",
    "tail -f app.log | streamctl produce logs --input lines --field line --maxlen 1m",
    "streamctl produce orders --file orders.ndjson --maxlen 1m --keep-unread",
    "streamctl produce orders --file orders.ndjson --idempotency-key orderId --schema order.schema.json",
    "streamctl produce orders --partitions 8 --partition-by customer --wait-lag billing:10k < orders.ndjson",
    "streamctl consume orders | streamctl produce copy --input entries --keep-id",
    "streamctl produce restored --input entries --keep-id --file archive.ndjson.gz",
  ],
  run: () => import("./produce-run.ts"),
});
