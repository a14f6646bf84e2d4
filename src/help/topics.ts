import type { Command } from "commander";
import { CONNECTION_GROUP } from "../commands/global-flags.ts";
import { didYouMean } from "../config/suggest.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { helpWidth, layOutSections, wrapHelp } from "./layout.ts";
import { elsewhere } from "./suggestions.ts";
import { type Topic, TOPIC_ALIASES, TOPICS } from "./topic-names.ts";

/** Prints the help of the program, of the command that `words` lead to, or on a topic. */
export function showHelp(program: Command, words: readonly string[]): void {
  const command = findCommand(program, words);
  if (command) {
    command.outputHelp();
    return;
  }
  const asWritten = words.join("-").toLowerCase();
  const topic = TOPIC_ALIASES[asWritten] ?? asWritten;
  if (Object.hasOwn(TOPICS, topic)) {
    const output = program.configureOutput();
    output.writeOut?.(`${topicText(program, topic as Topic, helpWidth(output.getOutHelpWidth?.() ?? 80))}\n`);
    return;
  }
  const known = [...program.commands.map((each) => each.name()), ...Object.keys(TOPICS)];
  const asked = words.join(" ");
  const hint =
    elsewhere(asked) ||
    didYouMean(asked, known) ||
    `: there is help on every command, and on ${Object.keys(TOPICS).join(", ")}`;
  program.error(`error: no help on '${asked}'${hint}`, { code: "commander.help" });
}

function findCommand(program: Command, words: readonly string[]): Command | undefined {
  let at: Command | undefined = program;
  for (const word of words) at = at?.commands.find((child) => child.name() === word);
  return at;
}

function topicText(program: Command, topic: Topic, width: number): string {
  const text = wrapHelp(TOPIC_TEXTS[topic], width);
  return topic === "connection" ? text.replace(FLAGS, connectionFlags(program, width)) : text;
}

function connectionFlags(program: Command, width: number): string {
  const help = program.createHelp();
  const options = help
    .visibleOptions(program)
    .filter((option) => option.helpGroupHeading === CONNECTION_GROUP);
  const items = options.map((option) => [help.optionTerm(option), help.optionDescription(option)] as const);
  return layOutSections([{ title: "Flags, the same for every command:", items }], width).trimEnd();
}

/** Where the text on the connection has its flags. */
export const FLAGS = "FLAGS";

const CONNECTION = `Without any flag, variable or file the server is 127.0.0.1:6379. A flag, or a typed
--profile, is stronger than the environment, that is stronger than a profile chosen elsewhere, and that is stronger
than the top level of a configuration file.

${FLAGS}

There is no flag for a password, because the process list would show it: --password-file, --askpass, the
variable REDISCLI_AUTH, or a profile. REDIS_URL, REDIS_HOST and REDIS_PORT are understood, too; STREAMCTL_URL is stronger.

Examples:
  streamctl lag -u redis://redis.example:6379/2
  streamctl lag -u rediss://operator@redis.example --askpass
  streamctl lag -H redis-cluster.example -p 7000 --cluster
  streamctl lag --sentinel sentinel-1:26379,sentinel-2:26379 --master orders
  streamctl lag -H 127.0.0.1 -p 7000 --cluster --nat-map 10.0.0.1:6379=127.0.0.1:7000,10.0.0.2:6379=127.0.0.1:7001
  streamctl lag --profile production`;

const CONFIGURATION = `Files: $XDG_CONFIG_HOME/streamctl/config.yaml (default ~/.config), and over it ./.streamctl.yaml, which may hold no
secrets. --config FILE reads that one instead. They hold settings of the connection, profiles (--profile
NAME), and defaults for the flags of commands.

Variables of the environment are stronger than files: see streamctl help environment.

A profile with readOnly refuses commands that change data; one with protected asks for its name before.

Examples:
  streamctl config init
  streamctl config show`;

const ENVIRONMENT = `Every flag has its variable: --claim-idle 30s is STREAMCTL_CLAIM_IDLE=30s, --no-ack is STREAMCTL_NO_ACK=true. A typed
flag is stronger, a configuration file weaker; an empty variable counts for nothing.

The server, as other programs know it, too:
  REDIS_URL                   the server; STREAMCTL_URL is stronger
  REDIS_HOST, REDIS_PORT      the same in parts
  REDISCLI_AUTH               the password

Besides these:
  XDG_CONFIG_HOME             where streamctl/config.yaml is (default: ~/.config)
  XDG_CACHE_HOME              where compiled code and an unpacked server are kept, in streamctl (default: ~/.cache)
  NODE_DISABLE_COMPILE_CACHE  set: no compiled code is kept
  NODE_COMPILE_CACHE          another folder for it
  NO_COLOR, FORCE_COLOR       no colour, or colour on pipes, too
  VISUAL, EDITOR              what dlq replay --edit opens
  STREAMCTL_REDIS_SERVER      what sandbox runs: an executable, or docker:IMAGE
  DOCKER_HOST                 where Docker is

What handlers get is told by streamctl help exec.

Examples:
  STREAMCTL_URL=redis://redis.example:6379/2 streamctl lag
  STREAMCTL_GROUP=billing STREAMCTL_JOBS=4 streamctl consume orders --exec ./bill.sh`;

const MORE_EXITS = `
lag --check exits as monitoring plugins do: 0 ok, 1 warning, 2 critical, 3 unknown. sandbox exits with the code of
the command that it runs. | head ends a command with 0.`;

const FORMATS = `On a terminal rows are a table, on a pipe NDJSON. -o says otherwise:
  table   for people; cut to the terminal unless --wide is given
  ndjson  a JSON object per line
  json    one JSON array; the summary on stderr is an object, too
  csv     a line of names, then a line per row
  raw     the values alone, tab-separated; consume: as the bytes they are

Names in rows are camelCase, times RFC 3339 in UTC, durations milliseconds (the suffix Ms), and null is unknown. An
entry is the same in every command, and produce --input entries reads it back:
  {"stream":"orders","id":"1694012345678-0","fields":{"orderId":"42"}}
A value that is not UTF-8 is {"base64":"…"}; fields that repeat a name are pairs, [["a","1"],["a","2"]].

Examples:
  streamctl ls --json
  streamctl consume orders -o raw --field payload
  streamctl pending orders -g billing --list -o csv`;

const HANDLERS = `consume --exec COMMAND (or -- PROGRAM ARG…) runs a command for every entry of a group. It gets the entry as a line of
JSON on stdin; --stdin says otherwise. In its environment:
  STREAMCTL_STREAM      the stream
  STREAMCTL_GROUP       the group
  STREAMCTL_CONSUMER    this worker's name
  STREAMCTL_ID          the entry's ID
  STREAMCTL_DELIVERIES  1 at the first time
  STREAMCTL_TIMESTAMP   the time in the ID
  STREAMCTL_BATCH       with --batch, instead of the three above: how many entries
  TRACEPARENT           and TRACESTATE, BAGGAGE: the entry's fields of these names, in any case

What its exit means:
  0                  done: the entry is acked
  65, 100            hopeless: it is dead-lettered at once (more with --dead-on)
  126, 127           before any run has succeeded: the worker stops, nothing is counted
  else, or a signal  it is retried with growing delays, and dead-lettered after --max-deliveries; so is a run past --timeout

Delivery is at least once, so a command must be safe to repeat. What it writes to stderr is kept with a dead letter.

A line on file descriptor 3 beats the exit code (but not --timeout); the last one counts:
  ok                             the entry is acked
  retry [in DURATION] [REASON]   it is retried after that time, else after the usual delay
  dead [REASON]                  it is dead-lettered at once
  snooze DURATION [REASON]       later, and not counted as a delivery

With --batch, lines ID WORD… on file descriptor 3 settle single entries. With --persistent the command stays, and
answers each line of stdin with such a word on stdout; with --emit, lines emit TEXT before it are the entry's output.

Examples:
  streamctl consume orders -g billing --create-group --exec ./bill.sh -j 4 --timeout 30s
  streamctl consume orders -g billing --until-empty -- python3 -u bill.py
  streamctl dlq list orders --by reason`;

const POSITIONS = `Positions (--from, --to, --since, --until):
  1694012345678-0       an entry's ID; (ID leaves that one out
  - + $                 the first, the last, the end as it is now
  2026-03-01T12:00:00Z  a time; without an offset it is this machine's
  15m                   so long ago, by the server's clock

Durations are 250ms 30s 5m 12h 7d, sizes 64kb 10mb, counts 10k 1m, rates 50/s 600/m.

Examples:
  streamctl consume orders --from 15m
  streamctl consume orders --from 2026-03-01T12:00:00Z --to 2026-03-01T13:00:00Z
  streamctl consume orders --from '(1694012345678-0' -f`;

/** What each tells, as wrapHelp takes it. */
export const TOPIC_TEXTS: Readonly<Record<Topic, string>> = {
  connection: CONNECTION,
  configuration: CONFIGURATION,
  environment: ENVIRONMENT,
  exec: HANDLERS,
  "exit-codes": `${EXIT_CODES}\n${MORE_EXITS}`,
  formats: FORMATS,
  positions: POSITIONS,
};
