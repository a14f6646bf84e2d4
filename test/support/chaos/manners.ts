import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "./random.ts";

/** The ways in which a worker runs its command. */
const MANNERS = ["exec", "program", "batch", "batch in shells", "persistent"] as const;
export type Manner = (typeof MANNERS)[number];

/** What all workers of a run have in common; the manner is each one's own. */
export interface Setup {
  /** Order by key. */
  readonly ordered: boolean;
  /** Where handlers' output goes: to a stream in the same slot, or in another one of a cluster. */
  readonly emit: "nowhere" | "slot" | "across";
}

export const KEYS = 8;
export const RESULTS = "results";

export function randomSetup(random: Random): Setup {
  return { ordered: random.next() < 0.5, emit: random.pick(["nowhere", "nowhere", "slot", "across"]) };
}

/** Output of one entry belongs to a run of one entry. */
export function randomManner(random: Random, { emit }: Setup): Manner {
  return random.pick(emit === "nowhere" ? MANNERS : ["exec", "program"]);
}

export interface HandlerOptions {
  /** Where the scripts are put. */
  readonly dir: string;
  /** What runs append their lines to. */
  readonly notesFile: string;
  readonly slowSeconds: number;
}

/** A handler, in shell builtins but for the sleeps and the lists of the nosy ones, in every manner. */
export class Handler {
  readonly #setup: Setup;
  readonly #scripts: ReadonlyMap<Manner, { readonly text: string; readonly file: string }>;

  private constructor(
    setup: Setup,
    scripts: ReadonlyMap<Manner, { readonly text: string; readonly file: string }>,
  ) {
    this.#setup = setup;
    this.#scripts = scripts;
  }

  static async write(setup: Setup, options: HandlerOptions): Promise<Handler> {
    const scripts = new Map<Manner, { text: string; file: string }>();
    for (const manner of MANNERS) {
      const text = `${common(options, manner)}${stdoutList(setup, manner)}${BODY[manner]}`;
      const file = join(options.dir, `handler-${manner.replaceAll(" ", "-")}.sh`);
      await writeFile(file, text);
      scripts.set(manner, { text, file });
    }
    return new Handler(setup, scripts);
  }

  /** The flags of a worker that uses it so, with the command at their end. */
  flags(manner: Manner): string[] {
    const { ordered, emit } = this.#setup;
    const { text, file } = this.#scripts.get(manner) as { text: string; file: string };
    const flags = [
      ...(ordered ? ["--order-by", "key"] : []),
      ...(emit === "nowhere" ? [] : ["--emit", RESULTS]),
    ];
    const batch = ["-j", "2", "--batch", "3", "--batch-wait", "20ms"];
    switch (manner) {
      case "exec":
        return [...flags, "-j", "4", "--exec", text];
      case "program":
        return [...flags, "-j", "4", "--", "/bin/sh", file];
      case "batch":
        return [...flags, ...batch, "--", "/bin/sh", file];
      case "batch in shells":
        return [...flags, ...batch, "--exec", text];
      case "persistent":
        return [...flags, "-j", "2", "--ahead", "4", "--persistent", "--", "/bin/sh", file];
    }
  }
}

/** What a worker of any manner has in hand at most: what runs, and as much again whose verdicts are on their way. */
export const MOST_IN_HAND = 16;

/** A nosy handler's lines on stderr. */
export const NOSY_LINE = /^nosy /;
/** A list is cut off here: those of a batch have room in a pipe, so none waits for a worker that stands still. */
const LIST_BYTES = 16_000;

/**
 * Every run appends `start ID DELIVERIES CONSUMER GROUP PRINTS` to the file, and a run that did its work `done …` as
 * well: short lines in one write each, so they never mix. GROUP is its process group, PRINTS whether it says `out ID`
 * on stdout in the end. `kill 0` ends its own process group, as a crash of the whole handler would.
 *
 * A nosy one collects whatever might hold a mark by which the worker knows its handlers' words from others: its
 * variables and environment, its descriptors, everybody's arguments. It says it wherever it can: on stdout, on stderr,
 * on every other descriptor that it has.
 */
function common({ notesFile, slowSeconds }: HandlerOptions, manner: Manner): string {
  const prints = manner === "persistent" ? "silent" : "prints";
  return `
group() { read -r group </proc/self/stat; set -- \${group##*) }; group=$3; }
note() {
  printf '%s %s %s %s %s ${prints}\\n' "$1" "$id" "$deliveries" "$STREAMCTL_CONSUMER" "$group" >> '${notesFile}'
}
word() { rest=\${line#*\\"$1\\":}; rest=\${rest#\\"}; rest=\${rest%%[,\\"\\}]*}; }
parse() { word id; id=$rest; word deliveries; deliveries=$rest; word task; task=$rest; }
look() {
  set; env; ls -l /proc/self/fd; tr '\\0' '\\n' </proc/$PPID/cmdline
  ps axww; cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'
}
tell() {
  list=$(look 2>&1 | head -c ${LIST_BYTES})
  printf '%s\\n' "$list" | sed 's/^/nosy /' >&2
  list
  { for fd in 3 4 5 6 7 8 9; do printf '%s\\n' "$list" >&$fd; done } 2>/dev/null
  unset list
}
perform() {
  note start
  case $task in
    slow) sleep ${slowSeconds} ;;
    fail[12]) [ "$deliveries" -gt "\${task#fail}" ] || return 1 ;;
    hang1) [ "$deliveries" -gt 1 ] || \${hang:-sleep 60} || return 1 ;;
    crash1) [ "$deliveries" -gt 1 ] || \${crash:-kill -KILL 0} || return 1 ;;
    nosy) tell ;;
    nosyfail) tell; [ "$deliveries" -gt 1 ] || return 1 ;;
    dead) return 65 ;;
    poison) return 3 ;;
  esac
  note done
}
answer() { case $1 in 0) echo "\${2}ok" ;; 65) echo "\${2}dead of it" ;; *) echo "\${2}retry later" ;; esac; }
group
`;
}

/** What a nosy one says of its list on stdout. */
function stdoutList({ emit }: Setup, manner: Manner): string {
  // There whatever it says is an answer.
  if (manner === "persistent") return "list() { :; }\n";
  if (emit === "nowhere") return `list() { printf '%s\\n' "$list"; }\n`;
  // Each line is an entry: one, of which can be told whose it is.
  return `list() { printf 'list %s %s\\n' "$id" "$(printf %s "$list" | head -c 4000 | tr '\\n' ' ')"; }\n`;
}

const ONE = `
read -r line; parse
perform || exit $?
printf 'out %s\\n' "$id"
`;

// One that hangs or crashes would take the others of its batch with it, who have done nothing wrong.
const BATCH = `
hang=false crash=false
while read -r line; do
  parse; perform; status=$?
  [ $status != 0 ] || printf 'out %s\\n' "$id"
  answer $status "$id " >&3
done
`;

const BODY: Readonly<Record<Manner, string>> = {
  exec: ONE,
  program: ONE,
  batch: BATCH,
  "batch in shells": BATCH,
  persistent: `
while read -r line; do parse; perform; answer $? ""; done
`,
};
