import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "./random.ts";

/** The ways in which a worker runs its command. */
const MANNERS = ["exec", "program", "batch", "persistent"] as const;
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

/** Output belongs to a run of one entry. */
export function randomManner(random: Random, { emit }: Setup): Manner {
  return random.pick(emit === "nowhere" ? MANNERS : ["exec", "program"]);
}

/** A handler, in shell builtins but for the sleeps, in every manner. */
export class Handler {
  readonly #scripts: ReadonlyMap<Manner, { readonly text: string; readonly file: string }>;

  private constructor(scripts: ReadonlyMap<Manner, { readonly text: string; readonly file: string }>) {
    this.#scripts = scripts;
  }

  static async write(dir: string, notesFile: string, slowSeconds: number): Promise<Handler> {
    const scripts = new Map<Manner, { text: string; file: string }>();
    for (const manner of MANNERS) {
      const text = `${common(notesFile, slowSeconds)}${BODY[manner]}`;
      const file = join(dir, `handler-${manner}.sh`);
      await writeFile(file, text);
      scripts.set(manner, { text, file });
    }
    return new Handler(scripts);
  }

  /** The flags of a worker that uses it so, with the command at their end. */
  flags(manner: Manner, { ordered, emit }: Setup): string[] {
    const { text, file } = this.#scripts.get(manner) as { text: string; file: string };
    const flags = [
      ...(ordered ? ["--order-by", "key"] : []),
      ...(emit === "nowhere" ? [] : ["--emit", RESULTS]),
    ];
    switch (manner) {
      case "exec":
        return [...flags, "-j", "4", "--exec", text];
      case "program":
        return [...flags, "-j", "4", "--", "/bin/sh", file];
      case "batch":
        return [...flags, "-j", "2", "--batch", "3", "--batch-wait", "20ms", "--", "/bin/sh", file];
      case "persistent":
        return [...flags, "-j", "2", "--ahead", "4", "--persistent", "--", "/bin/sh", file];
    }
  }
}

/** What a worker of any manner has in hand at most: what runs, and as much again whose verdicts are on their way. */
export const MOST_IN_HAND = 16;

/**
 * Every run appends `start ID DELIVERIES CONSUMER` to the file, and a run that did its work `done …` as well: short
 * lines in one write each, so they never mix. `kill 0` ends its own process group, as a crash of the whole handler would.
 */
function common(file: string, slowSeconds: number): string {
  return `
note() { printf '%s %s %s %s\\n' "$1" "$id" "$deliveries" "$STREAMCTL_CONSUMER" >> '${file}'; }
word() { rest=\${line#*\\"$1\\":}; rest=\${rest#\\"}; rest=\${rest%%[,\\"\\}]*}; }
parse() { word id; id=$rest; word deliveries; deliveries=$rest; word task; task=$rest; }
perform() {
  note start
  case $task in
    slow) sleep ${slowSeconds} ;;
    fail[12]) [ "$deliveries" -gt "\${task#fail}" ] || return 1 ;;
    hang1) [ "$deliveries" -gt 1 ] || \${hang:-sleep 60} || return 1 ;;
    crash1) [ "$deliveries" -gt 1 ] || \${crash:-kill -KILL 0} || return 1 ;;
    dead) return 65 ;;
    poison) return 3 ;;
  esac
  note done
}
answer() { case $? in 0) echo "\${1}ok" ;; 65) echo "\${1}dead of it" ;; *) echo "\${1}retry later" ;; esac; }
`;
}

const ONE = `
read -r line; parse
perform || exit $?
printf '%s\\n' "$id"
`;

const BODY: Readonly<Record<Manner, string>> = {
  exec: ONE,
  program: ONE,
  // One that hangs or crashes would take the others of its batch with it, who have done nothing wrong.
  batch: `
hang=false crash=false
while read -r line; do parse; perform; answer "$id " >&3; done
`,
  persistent: `
while read -r line; do parse; perform; answer; done
`,
};
