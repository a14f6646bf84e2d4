import { FORMATS, PRETTY } from "../../output/output.ts";
import { argument, command, type FlagsOf } from "../command.ts";
import { flag, marked, section } from "../flag.ts";
import { group, GROUP_START, log, METRICS_PORT, metricsHost, POSITION, where } from "../flags.ts";
import { OF_WORKER, workerFlags } from "./worker-flags.ts";

const FOLLOWING = {
  any: ["--follow"],
  says: ": not with -f: following goes forward and has no last entry",
};

/** A default for reading as a consumer wins over one for reading a range. */
const RANGE = marked(
  [
    flag.value("--from <position>", "where to start", POSITION, {
      otherwise: "the first entry; with -f: the end",
    }),
    flag.value("--to <position>", "where to stop", POSITION, {
      otherwise: "the end as it is at the start",
      not: FOLLOWING,
    }),
    flag.count("--last <n>", "of each stream the newest n, oldest first; with -f go on from there"),
    flag.switch("--reverse", "newest first", { not: [FOLLOWING, "--last"] }),
    flag.switch("-f, --follow", "go on with entries as they are added"),
  ],
  () => ({
    not: {
      any: ["--group"],
      says: ": a group gives each entry once, from where it stands",
      yields: "to equals",
    },
  }),
);

/** Typed with a group it says what becomes of the rest; a default made for ranges would leave it pending. */
const FILTERING = [
  ...marked([where], () => ({ asDefault: { not: "--group" } })),
  flag.switch("--ack-unmatched", "with -g and --where: ack what does not match; without, it stays pending", {
    needs: ["--group", "--where"],
  }),
] as const;

const AS_CONSUMER = marked(
  [
    flag.text("--consumer <name>", "the consumer's name", {
      otherwise: "host-pid-random, for this run alone",
      names: "consumers",
    }),
    flag.switch("--create-group", "make the group, and the stream, where they are missing"),
    flag.value(
      "--group-start <position>",
      "where --create-group starts: 0, $, an ID, a time, an age, group:OTHER",
      GROUP_START,
      {
        default: "0",
        needs: { any: ["--create-group"], says: ": only with --create-group" },
      },
    ),
    flag.switch("--no-ack", "leave what was printed pending"),
  ],
  () => ({ needs: { any: ["--group"], says: ": only with -g GROUP" } }),
);

/** Of what is read until it ends: a range does so by itself. */
const ENDLESS = { any: ["--follow", "--group"], says: ": only with -f or -g: a range ends by itself" };

const ENDS = [
  flag.count("--count <n>", "after that many entries, over all streams"),
  flag.switch("--until-empty", "when nothing is left", { needs: ENDLESS }),
  flag.duration("--idle-exit <duration>", "when nothing came for that long", { needs: ENDLESS }),
  flag.duration("--max-runtime <duration>", "after that long"),
] as const;

const PRINTING = [
  flag.choice("-o, --output <format>", "output format", [...FORMATS, PRETTY]),
  flag.switch("-0, --null", "with -o raw: end each entry with a NUL byte instead of a line end", {
    not: { any: ["--exec", "--"], says: ": only for printing", yields: "always" },
  }),
  flag.list("--field <name>", "print this field only; repeatable", {
    not: {
      any: ["--exec", "--"],
      says: ": only for printing: --stdin field:NAME gives a command one field",
      yields: "always",
    },
  }),
] as const;

const WATCHING = [
  log,
  ...marked([flag.value(...METRICS_PORT, { otherwise: "none" }), metricsHost], () => OF_WORKER),
] as const;

const flags = [
  ...section("Reading a range:", RANGE),
  ...section("Reading as a consumer:", [group, ...AS_CONSUMER]),
  ...section("Filtering:", FILTERING),
  ...section("Ends:", ENDS),
  ...section("Printing:", PRINTING),
  ...section("Running a command for each entry:", workerFlags),
  ...section("Watching a run:", WATCHING),
] as const;

export type ConsumeFlags = FlagsOf<typeof flags>;

export const consume = command({
  name: "consume",
  about: "print entries, read them as a group's consumer, or run a command for each",
  args: [argument("<stream...>", "streams, or patterns like 'orders:*'")],
  flags,
  takesProgram: true,
  notes: `
Without -g a range of each stream is printed, in its order; with -f what comes later, too, from all the
streams as it comes. Neither changes anything in Redis.

With -g entries are read as a consumer of the group, printed, and acked once stdout has taken them: what
could not be printed stays pending. A consumer named with --consumer first gets what is still pending for
it. A name made up for the run is removed at the end when nothing is pending for it.

With --exec, or a program after --, that command is run for every entry, and with --post each is posted to a
server: see streamctl help exec.

Positions (--from, --to): an entry ID, (ID to leave that one out, - + $ (first, last, the end as it is now),
a time like 2026-03-01T12:00:00Z (without an offset: local time), an age like 15m by the server's clock.

Formats: ndjson (on a pipe), table (on a terminal; long values are cut), pretty (fields on lines of their own, JSON laid out), json (one array), csv (stream, id
and a column for each --field, else all fields as JSON), raw (values as the bytes they are, tab-separated,
a line end after each entry, or NUL with -0; --field payload gives that field alone).`,
  examples: [
    "streamctl consume orders --from 15m --where status=failed",
    "streamctl consume orders --last 10 -f",
    "streamctl consume orders -o raw -0 --field payload | xargs -0 -n 1 ./look",
    "streamctl consume 'orders:*' -f -o raw --field payload",
    "streamctl consume orders -g billing --until-empty > orders.ndjson",
    "streamctl consume orders -g billing -j 4 --exec './handle-order'",
    "streamctl consume orders -g billing -j 8 --post https://billing.internal/orders --timeout 10s",
  ],
  run: () => import("./consume-run.ts"),
});
