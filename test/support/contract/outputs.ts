/** Something that a command prints as JSON. */
interface Printed {
  /** A name of a file in docs/schemas. */
  readonly schema: string;
  /** Only with one of these flags; undefined: else. */
  readonly flags?: readonly string[];
}

export interface CommandOutput {
  /** On stdout; the first whose flags are there. */
  readonly rows: readonly Printed[];
  /** On stderr with -o json. */
  readonly summaries?: readonly Printed[];
}

/** What comes after these is a command of the user's, and so is what it prints. */
const HANDLERS = ["--exec", "--post", "--"];

const NOTHING: CommandOutput = { rows: [] };

const one = (schema: string): CommandOutput => ({ rows: [{ schema }] });

const DRY_LETTERS = [{ schema: "dlq-list", flags: ["--dry-run"] }];

/** Every command, and what programs read of it. Of those that have nothing here, programs read nothing. */
export const OUTPUTS: Readonly<Record<string, CommandOutput>> = {
  produce: {
    rows: [{ schema: "produce-later", flags: ["--delay", "--at", "--delay-field"] }, { schema: "produce" }],
    summaries: [{ schema: "produce-summary" }],
  },
  consume: {
    rows: [{ schema: "", flags: HANDLERS }, { schema: "entry" }],
    summaries: [{ schema: "worker-summary", flags: HANDLERS }, { schema: "consume-summary" }],
  },
  pending: { rows: [{ schema: "pending-list", flags: ["--list"] }, { schema: "pending" }] },
  show: one("show"),
  claim: one("claim"),
  ack: one("ack"),
  release: one("release"),
  "dlq add": one("dlq-add"),
  "dedupe list": one("dedupe-list"),
  "dedupe forget": NOTHING,
  "dlq list": { rows: [{ schema: "dlq-list-by", flags: ["--by"] }, { schema: "dlq-list" }] },
  "dlq show": one("dlq-show"),
  "dlq replay": { rows: DRY_LETTERS, summaries: [{ schema: "dlq-replay-summary" }] },
  "dlq purge": { rows: DRY_LETTERS, summaries: [{ schema: "dlq-purge-summary" }] },
  "schedule list": one("schedule-list"),
  "schedule cancel": {
    rows: [{ schema: "schedule-list", flags: ["--dry-run"] }],
    summaries: [{ schema: "schedule-cancel-summary" }],
  },
  "schedule run": { rows: [], summaries: [{ schema: "schedule-run-summary" }] },
  trim: one("trim"),
  lag: { rows: [{ schema: "lag-watch", flags: ["--watch"] }, { schema: "lag" }] },
  ls: one("ls"),
  info: one("info"),
  "group create": one("group-create"),
  "group set-id": one("group-set-id"),
  "group destroy": one("lag"),
  "group pause": one("group-pause"),
  "group resume": one("group-pause"),
  "group consumers": one("group-consumers"),
  "group forget-consumer": one("group-forget-consumer"),
  doctor: one("doctor"),
  "config show": one("config-show"),
  "config init": NOTHING,
  sandbox: { rows: [{ schema: "", flags: ["--"] }, { schema: "sandbox" }] },
  "serve-metrics": NOTHING,
  completion: NOTHING,
  __complete: NOTHING,
  help: NOTHING,
};

/** The schema of what a command line prints; undefined when it is nothing that programs read. */
export function schemaOf(printed: readonly Printed[], argv: readonly string[]): string | undefined {
  const given = printed.find(
    ({ flags }) =>
      flags === undefined ||
      argv.some((word) => flags.some((flag) => word === flag || word.startsWith(`${flag}=`))),
  );
  return given?.schema || undefined;
}

/** The command that a line begins with; undefined when flags come first, or there is none of that name. */
export function commandOf([first = "", second = ""]: readonly string[]): string | undefined {
  return [`${first} ${second}`, first].find((path) => Object.hasOwn(OUTPUTS, path));
}
