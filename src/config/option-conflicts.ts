import type { Command, Option } from "commander";

/**
 * How the defaults of flags give way, by the command's path ("" for global flags). A command refuses flags
 * that contradict each other, or that do nothing without another: as defaults they are left out instead.
 */
interface Rules {
  /** At most one of each list counts: the one that comes from the stronger place. */
  readonly alternatives?: readonly (readonly string[])[];
  /** Each counts only together with one of these. */
  readonly goesWith?: Readonly<Record<string, readonly string[]>>;
  /** Left out when there are operands after the stream. */
  readonly withoutOperands?: readonly string[];
  /** Left out when a program stands after `--`. */
  readonly withoutProgram?: readonly string[];
}

const LETTER_FILTERS = ["since", "until", "reason", "group", "where", "min-deliveries", "limit"];

/** Which letters are meant is said on the command line: a default narrows that choice, and is none by itself. */
const LETTERS: Rules = {
  goesWith: Object.fromEntries(
    LETTER_FILTERS.map((name) => [name, ["all", ...LETTER_FILTERS.filter((other) => other !== name)]]),
  ),
  withoutOperands: ["all", ...LETTER_FILTERS],
};

const MAXIMA = ["max-lag", "max-pending", "max-age"];
const LIMITS = ["warn-lag", "crit-lag", "warn-pending", "crit-pending", "warn-age", "crit-age"];

const RULES: Readonly<Record<string, Rules>> = {
  "": { alternatives: [["output", "json"]] },
  produce: {
    alternatives: [
      ["maxlen", "max-age"],
      ["id", "id-field", "keep-id", "idempotency-key"],
    ],
    goesWith: {
      exact: ["maxlen", "max-age"],
      "idempotency-ttl": ["idempotency-key"],
      "partition-by": ["partitions"],
    },
    withoutOperands: ["file", "input", "skip-lines", "rejects", "id-field", "keep-id"],
  },
  consume: {
    alternatives: [
      ...["from", "to", "reverse", "follow", "where"].map((name) => ["group", name]),
      ...["batch", "persistent"].flatMap((manner) => [
        ["env-fields", manner],
        ["emit", manner],
      ]),
      ["batch", "persistent"],
    ],
    goesWith: { "batch-wait": ["batch"], ahead: ["persistent"] },
    withoutProgram: ["exec"],
  },
  pending: { goesWith: { payload: ["list"] } },
  claim: {
    alternatives: [["consumer", "from-consumer"]],
    goesWith: { limit: ["all"], "count-delivery": ["to"] },
    withoutOperands: ["all"],
  },
  "dlq replay": LETTERS,
  "dlq purge": LETTERS,
  trim: { alternatives: [["maxlen", "max-age", "min-id"]] },
  lag: {
    alternatives: [
      ["watch", "check"],
      ...["watch", "check"].flatMap((mode) => ["wait", ...MAXIMA].map((name) => [mode, name])),
    ],
    goesWith: {
      timeout: ["wait"],
      interval: ["watch"],
      ...Object.fromEntries(LIMITS.map((name) => [name, ["check"]])),
    },
  },
};

/** Every flag of the rules by command, for the test that each of them exists. */
export function flagsInRules(): [path: string, flags: string[]][] {
  return Object.entries(RULES).map(([path, rules]) => [
    path,
    [
      ...(rules.alternatives ?? []).flat(),
      ...Object.entries(rules.goesWith ?? {}).flatMap(([flag, others]) => [flag, ...others]),
      ...(rules.withoutOperands ?? []),
      ...(rules.withoutProgram ?? []),
    ],
  ]);
}

/** The other flags of which only one counts together with `flag`. */
export function alternativesTo(path: string, flag: string): string[] {
  const lists = [...(RULES[""]?.alternatives ?? []), ...(RULES[path]?.alternatives ?? [])];
  return lists.filter((list) => list.includes(flag)).flatMap((list) => list.filter((one) => one !== flag));
}

/** One of these must be there for `flag` to count; undefined: it counts alone. */
export function partnersOf(path: string, flag: string): readonly string[] | undefined {
  return RULES[path]?.goesWith?.[flag];
}

/** Whether what stands on the command line besides flags leaves no place for `flag`. */
export function yieldsToOperands(command: Command, path: string, flag: string): boolean {
  const { withoutOperands = [], withoutProgram = [] } = RULES[path] ?? {};
  if (withoutOperands.includes(flag) && command.args.length > 1) return true;
  return withoutProgram.includes(flag) && rawArguments(command).includes("--");
}

function rawArguments(command: Command): readonly string[] {
  if (command.parent) return rawArguments(command.parent);
  return (command as Command & { readonly rawArgs: readonly string[] }).rawArgs;
}

/** The long name without dashes: `claim-idle`, `no-ack`. */
export function flagOf(option: Option): string {
  return (option.long ?? option.short ?? "").replace(/^--?/, "");
}
