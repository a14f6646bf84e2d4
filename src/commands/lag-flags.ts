import { UsageError } from "../errors.ts";

/** The flags of `lag`; durations in ms. */
export interface LagFlags {
  readonly group?: string;
  readonly output?: string;
  readonly maxLag?: number;
  readonly maxPending?: number;
  readonly maxAge?: number;
  readonly countLimit?: number;
  readonly exact?: boolean;
  readonly wait?: boolean;
  readonly timeout?: number;
  readonly watch?: boolean;
  readonly interval?: number;
  readonly check?: boolean;
  readonly warnLag?: number;
  readonly critLag?: number;
  readonly warnPending?: number;
  readonly critPending?: number;
  readonly warnAge?: number;
  readonly critAge?: number;
}

type Name = keyof LagFlags;

const MAXIMA = ["maxLag", "maxPending", "maxAge"] as const satisfies readonly Name[];
const LIMITS = [
  ["warnLag", "critLag"],
  ["warnPending", "critPending"],
  ["warnAge", "critAge"],
] as const satisfies readonly (readonly [Name, Name])[];

/** Refuses flags that contradict each other, or that would do nothing. */
export function refuseContradictions(flags: LagFlags): void {
  const given = (name: Name): boolean => flags[name] !== undefined && flags[name] !== false;
  const needs = (mode: Name, ...names: readonly Name[]): void => {
    const idle = given(mode) ? undefined : names.find(given);
    if (idle) throw new UsageError(`${flagOf(idle)} goes with ${flagOf(mode)}`);
  };
  const excludes = (mode: Name, ...names: readonly Name[]): void => {
    const other = given(mode) ? names.find(given) : undefined;
    if (other) throw new UsageError(`${flagOf(mode)} and ${flagOf(other)} exclude each other`);
  };
  needs("wait", "timeout");
  needs("watch", "interval");
  needs("check", ...LIMITS.flat());
  excludes("watch", "check", "wait", ...MAXIMA);
  excludes("check", "wait", ...MAXIMA);
  if (flags.watch && (flags.output === "prometheus" || flags.output === "json"))
    throw new UsageError(`--watch has no end, and -o ${flags.output} is one document`, {
      hint: "use -o ndjson",
    });
  if (flags.check) mustHaveLimits(flags);
}

/** A check that can't fail would pass for health. */
function mustHaveLimits(flags: LagFlags): void {
  if (LIMITS.flat().every((name) => flags[name] === undefined))
    throw new UsageError("--check needs a limit, such as --warn-lag 1000 --crit-lag 10k");
  for (const [warn, crit] of LIMITS) {
    const [warning = 0, critical = Number.POSITIVE_INFINITY] = [flags[warn], flags[crit]];
    if (warning > critical) throw new UsageError(`${flagOf(warn)} is above ${flagOf(crit)}`);
  }
}

function flagOf(name: Name): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
