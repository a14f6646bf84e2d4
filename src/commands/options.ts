import { InvalidArgumentError, Option } from "commander";
import { required } from "../help/required.ts";
import { parseCount, parseDuration, parseRate, parseSize } from "../units.ts";

/**
 * Options without defaults: what the command line does not say, the configuration may. Parsers turn text
 * into numbers (durations in ms, sizes in bytes) and refuse what they can't read with exit code 2.
 */
function parsed<T>(parse: (text: string) => T | undefined, form: string): (text: string) => T {
  return (text) => {
    const value = parse(text);
    if (value === undefined) throw new InvalidArgumentError(`Give ${form}.`);
    return value;
  };
}

export function durationOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(
    parsed(parseDuration, "a duration like 250ms, 30s, 5m, 12h or 7d, 50 years at most"),
  );
}

export function sizeOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parsed(parseSize, "a size like 512, 64kb or 10mb"));
}

export function rateOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parsed(parseRate, "a rate like 500/s or 30/m"));
}

/** A whole number of at least `least`; `10k` and `1m` are understood. */
export function countOption(flags: string, description: string, least = 1): Option {
  const parse = (text: string): number | undefined => {
    const count = parseCount(text);
    return count !== undefined && count >= least ? count : undefined;
  };
  return new Option(flags, description).argParser(
    parsed(parse, `a whole number of at least ${least} (10k and 1m are understood)`),
  );
}

/** An option that may be given several times. */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string, before: string[] | undefined) => [
    ...(before ?? []),
    text,
  ]);
}

/** `--log`, for commands that run for long; Log takes it from the run's options. */
export function logOption(): Option {
  return new Option(
    "--log <format>",
    "how to write messages on stderr; json: an object per line (default: text)",
  ).choices(["text", "json"]);
}

/** `-g, --group`, the same everywhere. */
export function groupOption(): Option {
  return new Option("-g, --group <group>", "the consumer group");
}

/** The same for commands that can't do without. */
export function requiredGroupOption(): Option {
  return required(groupOption());
}
