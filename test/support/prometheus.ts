/**
 * A strict reader of Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats):
 * throws with the line at anything that the format, or `promtool check metrics`, would not let pass.
 */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** The family's name; with `_bucket`, `_sum` or `_count` in a histogram. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Exposition {
  readonly families: ReadonlyMap<string, Family>;

  constructor(text: string) {
    this.families = parse(text);
  }

  /** The one sample with this name and these labels; undefined when there is none. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    return this.samples(name).find((sample) => sameLabels(sample.labels, labels))?.value;
  }

  samples(name: string): readonly Sample[] {
    const family = this.families.get(name.replace(/_(bucket|sum|count)$/, "")) ?? this.families.get(name);
    return family?.samples.filter((sample) => sample.name === name) ?? [];
  }
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const VALUE = /^([+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]Inf|NaN)$/;
const TYPES = new Set(["counter", "gauge", "histogram", "summary", "untyped"]);

type Draft = { name: string; type?: string; help?: string; samples: Sample[]; over: boolean };

function parse(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line has no line end");
  const drafts = new Map<string, Draft>();
  let current: Draft | undefined;
  for (const [index, line] of text.slice(0, -1).split("\n").entries()) {
    const fail = (why: string): Error => new Error(`line ${index + 1}: ${why}: ${line}`);
    if (line === "") continue;
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (!comment && line.startsWith("#")) throw fail("a comment that is neither HELP nor TYPE");
    const [, keyword, commented = "", rest = ""] = comment ?? [];
    const sample = comment ? undefined : parseSample(line, fail);
    const name = sample ? familyOf(sample.name, current) : commented;
    if (!NAME.test(name)) throw fail("a bad name");
    if (current?.name !== name) {
      if (current) current.over = true;
      current = drafts.get(name) ?? { name, samples: [], over: false };
      if (current.over) throw fail("its lines are not together");
      drafts.set(name, current);
    }
    if (sample) {
      if (current.type === undefined || current.help === undefined) throw fail("HELP or TYPE is missing");
      if (
        current.samples.some((other) => other.name === sample.name && sameLabels(other.labels, sample.labels))
      )
        throw fail("a repeated sample");
      current.samples.push(sample);
    } else if (keyword === "HELP") {
      if (current.help !== undefined) throw fail("a second HELP");
      current.help = rest;
    } else {
      if (current.type !== undefined || current.samples.length > 0) throw fail("a late TYPE");
      if (!TYPES.has(rest)) throw fail("an unknown type");
      current.type = rest;
    }
  }
  const families = new Map<string, Family>();
  for (const [name, { type = "", help = "", samples }] of drafts) {
    const family = { name, type, help, samples };
    check(family);
    families.set(name, family);
  }
  return families;
}

/** A histogram's samples belong to the family before them. */
function familyOf(name: string, current: Draft | undefined): string {
  const base = name.replace(/_(bucket|sum|count)$/, "");
  return current?.type === "histogram" && current.name === base ? base : name;
}

function parseSample(line: string, fail: (why: string) => Error): Sample {
  const [, name = "", , inside = "", value = ""] = /^([^\s{]+)(\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === "") throw fail("no sample");
  if (!VALUE.test(value)) throw fail("no number");
  return { name, labels: parseLabels(inside, fail), value: Number(value.replace("Inf", "Infinity")) };
}

function parseLabels(text: string, fail: (why: string) => Error): Record<string, string> {
  const labels: Record<string, string> = {};
  const one = /([^=,{}"\s]+)="((?:[^"\\]|\\[\\"n])*)"(,|$)/y;
  let rest = 0;
  for (let match = one.exec(text); match; match = one.exec(text)) {
    const [, name = "", value = ""] = match;
    if (!LABEL_NAME.test(name) || name.startsWith("__")) throw fail(`a bad label ${name}`);
    if (name in labels) throw fail(`label ${name} twice`);
    labels[name] = value.replace(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter));
    rest = one.lastIndex;
  }
  if (rest !== text.length || text.endsWith(",")) throw fail("bad labels");
  return labels;
}

function check({ name, type, help, samples }: Family): void {
  if (type === "" || help === "") throw new Error(`${name}: HELP or TYPE is missing`);
  if ((type === "counter") !== name.endsWith("_total"))
    throw new Error(`${name}: a counter, and nothing else, ends in _total`);
  if (type === "counter" && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name}: below 0`);
  if (type === "histogram") checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => Number(labels["le"]?.replace("Inf", "Infinity")));
  const count = samples.find((sample) => sample.name === `${name}_count`)?.value;
  const rising = (numbers: readonly number[]): boolean =>
    numbers.every((number, i) => i === 0 || number >= (numbers[i - 1] as number));
  if (!rising(bounds) || bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${name}: bad buckets`);
  if (!rising(buckets.map(({ value }) => value))) throw new Error(`${name}: buckets do not add up`);
  if (buckets.at(-1)?.value !== count) throw new Error(`${name}: +Inf is not the count`);
  if (!samples.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${name}: no sum`);
}

function sameLabels(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
