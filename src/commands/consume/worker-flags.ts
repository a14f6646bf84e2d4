import { InvalidArgumentError } from "commander";
import { alternatives, flag, longName, marked } from "../flag.ts";

const notWith = (flag: string, why: string) => ({ any: [flag], says: `: not with ${flag}, ${why}` });

const SEVERAL = "where a run has more than one entry";

const [batch, persistent] = alternatives(
  [
    flag.count(
      "--batch <n>",
      "give one run up to that many entries, a line of stdin for each; what it writes to fd 3 settles single ones",
    ),
    flag.switch(
      "--persistent",
      "keep the command running: it gets a line per entry and answers with a word: ok, retry, dead or snooze",
    ),
  ],
  "give --batch or --persistent, not both",
);

const FOR_COMMANDS: ReadonlySet<string> = new Set([
  "--batch",
  "--persistent",
  "--env-fields",
  "--tag",
  "--dead-on",
  "--retry-on",
]);

const HOW = [
  flag.count("-j, --jobs <n>", "how many run at once", { default: "1" }),
  flag.text(
    "--stdin <form>",
    "what the command reads: entry, fields, field:NAME (field:NAME? where it may be missing) or none",
    { default: "entry" },
  ),
  batch,
  flag.duration("--batch-wait <duration>", "how long the first entry of a batch waits for others", {
    default: "1s",
    needs: { any: ["--batch"], says: ": only with --batch" },
  }),
  persistent,
  flag.count(
    "--ahead <n>",
    "the most entries that are read for each job before it is free, while runs are short; 0: none",
    { default: "100", least: 0 },
  ),
  flag.switch("--env-fields", "also set FIELD_<NAME> for every field", {
    not: [notWith("--persistent", SEVERAL), notWith("--batch", SEVERAL)],
  }),
  flag.switch(
    "--tag",
    "prefix every line of the command's output with the entry's ID (with --batch: the first..the last)",
  ),
  flag.duration("--timeout <duration>", "end a run that takes longer, its whole process group", {
    otherwise: "never, as with 0",
  }),
  flag.duration("--kill-after <duration>", "from TERM to KILL", { default: "5s" }),
  flag.count("--max-deliveries <n>", "dead-letter an entry after that many, the first one counts", {
    default: "5",
  }),
  flag.duration("--retry-delay <duration>", "wait before the first retry; doubles each time", {
    default: "1s",
  }),
  flag.duration("--retry-max-delay <duration>", "the longest wait", { otherwise: "5m" }),
  flag.list("--dead-on <codes>", "exit codes that dead-letter at once, besides 65 and 100"),
  flag.list("--retry-on <codes>", "exit codes to retry that otherwise dead-letter at once: 65, 100"),
  flag.stream("--dlq <key>", "the dead-letter queue", { otherwise: "STREAM:dlq" }),
  flag.text(
    "--order-by <field>",
    "run entries with one value of this field one at a time, in stream order, over all workers of the group",
  ),
  flag.rate("--rate <rate>", "start no more than that many, over all of this worker: 50/s, 600/m"),
  flag.count("--pause-after <n>", "after that many failures in a row run one at a time, until one succeeds"),
  flag.text("--dedupe <field>", "ack without a run when this field's value has succeeded before"),
  flag.duration("--dedupe-ttl <duration>", "how long a success is remembered", { default: "24h" }),
  flag.stream(
    "--emit <stream>",
    "each line the command prints becomes an entry there, together with the ack; with --persistent, each line emit TEXT",
    {
      not: notWith("--batch", "where a printed line belongs to no one entry"),
    },
  ),
  flag.switch("--delete", "also delete an acked entry from the stream, once no group needs it any more"),
  flag.count("--wait-replicas <n>", "an entry is settled only once its verdict is on so many replicas, too"),
  flag.switch(
    "--no-register",
    "write nothing beside the streams of what this worker does, for group consumers",
  ),
  flag.switch("--fail-on-dead", "exit 5 when any entry was dead-lettered"),
  flag.duration("--claim-idle <duration>", "take over entries whose owner was silent that long", {
    default: "1m",
  }),
  flag.duration("--shutdown-timeout <duration>", "how long a stop waits for running commands", {
    default: "30s",
  }),
] as const;

/** Without a command to run these would do nothing. */
export const OF_WORKER = {
  needs: { any: ["--exec", "--post", "--"], says: ": only with --exec, --post, or a program after --" },
};

/** What a POST has none of. */
const OF_COMMANDS = { not: { any: ["--post"], says: ": only for commands, not with --post" } };

/** The flags of the exec worker. */
export const workerFlags = [
  flag.text("--exec <command>", "run this shell command for every entry (or give a program after --)", {
    // A program that is typed is the one to run.
    asDefault: { not: { any: ["--", "--post"] } },
    defaults: "not in projects",
  }),
  flag.value(
    "--post <url>",
    "post every entry there instead: 2xx is ok, 408, 425, 429 and 5xx are retried, other 4xx dead letters",
    { parse: parseTarget, form: "an http or https URL" },
    {
      asDefault: { not: { any: ["--exec", "--"] } },
      not: { any: ["--exec", "--"], says: ": not with a command to run" },
      defaults: "not in projects",
    },
  ),
  flag.list("--header <header>", "with --post: a header of each request, as 'Name: value'; repeatable", {
    read: readHeader,
    needs: { any: ["--post"], says: ": only with --post" },
    defaults: "not in projects",
  }),
  ...marked(HOW, (one) => (FOR_COMMANDS.has(longName(one)) ? { ...OF_WORKER, ...OF_COMMANDS } : OF_WORKER)),
] as const;

function parseTarget(text: string): URL | undefined {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text);
}

/** A token and a value of RFC 9110; what frames a request is not to be said twice. */
function readHeader(text: string): readonly [name: string, value: string] {
  const [, name, value] = /^([\w!#$%&'*+.^`|~-]+):[ \t]*(.*?)[ \t]*$/s.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError("Give a header as 'Name: value'.");
  // oxlint-disable-next-line no-control-regex -- these are what no header may have
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value))
    throw new InvalidArgumentError(`The value of ${name} has control characters.`);
  if (/^(content-length|transfer-encoding|connection|trailer|upgrade|expect)$/i.test(name))
    throw new InvalidArgumentError(`${name} is not to be set: streamctl does.`);
  return [name, Buffer.from(value).toString("latin1")];
}
