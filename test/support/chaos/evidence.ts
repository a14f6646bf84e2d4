import { isFatal, RUNS, type Task } from "./tasks.ts";

/** One line that a handler wrote. */
export interface Note {
  readonly kind: "start" | "done";
  readonly id: string;
  readonly deliveries: number;
  readonly consumer: string;
}

/** What there is to be seen when everything has come to rest. */
export interface Evidence {
  /** What was produced. */
  readonly entries: ReadonlyMap<string, Task>;
  readonly notes: readonly Note[];
  /** The IDs of the entries that dead letters stand for. */
  readonly letters: readonly string[];
  /** How often each entry stands in the stream that handlers' output goes to; undefined: it goes nowhere. */
  readonly emitted: readonly string[] | undefined;
  /** With order by key, the key of an entry. */
  readonly keyOf: ((id: string) => string) | undefined;
  readonly pending: number;
  readonly undelivered: number;
  /** Whether a fault may have cut this consumer off from what it had in hand. */
  readonly wasStruck: (consumer: string) => boolean;
  /** The most entries that struck consumers had in hand, over all faults. */
  readonly mayRepeat: number;
  /**
   * So many entries may be settled twice: what is pending of them was deleted by hand just when another worker had settled
   * them, and was made pending again.
   */
  readonly mayDouble: number;
}

export interface Findings {
  readonly violations: readonly string[];
  /** Runs beyond those that the tasks need. */
  readonly repeated: number;
}

/** Holds the evidence against what a worker promises; gives every broken promise in words. */
export function examine(evidence: Evidence): Findings {
  const { entries, notes, letters, pending, undelivered, wasStruck, mayRepeat, mayDouble } = evidence;
  const violations: string[] = [];
  const doubled: string[] = [];
  const started = countById(notes, "start");
  const done = countById(notes, "done");
  const struck = tally(
    notes.filter(({ kind, consumer }) => kind === "start" && wasStruck(consumer)).map(({ id }) => id),
  );
  const dead = tally(letters);
  let repeated = 0;
  for (const [id, task] of entries) {
    const runs = started.get(id) ?? 0;
    const successes = done.get(id) ?? 0;
    const records = dead.get(id) ?? 0;
    const tooMany = Math.max(0, runs - RUNS[task], successes - 1);
    repeated += tooMany;
    if (tooMany > (struck.get(id) ?? 0))
      violations.push(
        `${id} (${task}) was taken from a worker that had done nothing wrong:${history(notes, id)}`,
      );
    if (runs === 0) violations.push(`${id} (${task}) was never handled`);
    if (records > 1) doubled.push(`${id} (${task}) has ${records} dead letters`);
    if (isFatal(task) && records === 0)
      violations.push(`${id} (${task}) is not dead-lettered:${history(notes, id)}`);
    if (!isFatal(task) && records > 0) violations.push(`${id} (${task}) is dead-lettered`);
    if (!isFatal(task) && successes === 0)
      violations.push(`${id} (${task}) was acked without a success:${history(notes, id)}`);
  }
  for (const id of new Set([...started.keys(), ...dead.keys()]))
    if (!entries.has(id)) violations.push(`${id} was never produced`);
  const outputs = outputFaults(evidence);
  violations.push(...outputs.missing, ...orderFaults(evidence));
  doubled.push(...outputs.doubled);
  if (doubled.length > mayDouble) violations.push(...doubled);
  if (pending > 0) violations.push(`${pending} entries are still pending`);
  if (undelivered > 0) violations.push(`${undelivered} entries were not delivered`);
  if (repeated > mayRepeat)
    violations.push(`${repeated} runs too many, where the faults account for ${mayRepeat}`);
  return { violations, repeated };
}

/** Each success puts out one entry. */
function outputFaults({ entries, emitted }: Evidence): { missing: string[]; doubled: string[] } {
  const missing: string[] = [];
  const doubled: string[] = [];
  const counts = tally(emitted ?? []);
  for (const [id, task] of emitted ? entries : []) {
    const wanted = isFatal(task) ? 0 : 1;
    const count = counts.get(id) ?? 0;
    if (count !== wanted)
      (count > wanted ? doubled : missing).push(`${id} (${task}) was put out ${count} times`);
  }
  return { missing, doubled };
}

/** An entry starts when the one before it of its key is settled, and never after a later one. */
function orderFaults({ entries, notes, keyOf }: Evidence): string[] {
  if (!keyOf) return [];
  const faults: string[] = [];
  const before = new Map<string, string>();
  const last = new Map<string, string>();
  const place = new Map<string, number>();
  for (const id of entries.keys()) {
    const key = keyOf(id);
    const previous = last.get(key);
    if (previous !== undefined) before.set(id, previous);
    last.set(key, id);
    place.set(id, place.size);
  }
  const seen = new Set<string>();
  const furthest = new Map<string, string>();
  for (const { kind, id, consumer } of notes) {
    seen.add(`${kind} ${id}`);
    if (kind !== "start") continue;
    const key = keyOf(id);
    const later = furthest.get(key);
    const previous = before.get(id);
    if (later !== undefined && (place.get(later) ?? 0) > (place.get(id) ?? 0))
      faults.push(
        `${id} of ${key} was begun after ${later}, by ${consumer}:${history(notes, id)};${history(notes, later)}`,
      );
    else furthest.set(key, id);
    if (previous === undefined) continue;
    const settled = isFatal(entries.get(previous) as Task) ? "start" : "done";
    if (!seen.has(`${settled} ${previous}`))
      faults.push(`${id} of ${key} was begun before ${previous} was done:${history(notes, previous)}`);
  }
  return faults;
}

/** The handlers' lines. A line cut short by a kill would be a fault of the test. */
export function parseNotes(text: string): Note[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [kind, id, deliveries, consumer] = line.split(" ");
      if ((kind !== "start" && kind !== "done") || id === undefined || consumer === undefined)
        throw new Error(`not a handler's line: ${line}`);
      return { kind, id, deliveries: Number(deliveries), consumer };
    });
}

function history(notes: readonly Note[], id: string): string {
  const of = notes.filter((note) => note.id === id);
  return of.map(({ kind, deliveries, consumer }) => ` ${kind} ${deliveries} ${consumer}`).join(",");
}

function countById(notes: readonly Note[], kind: Note["kind"]): Map<string, number> {
  return tally(notes.filter((note) => note.kind === kind).map(({ id }) => id));
}

function tally(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
