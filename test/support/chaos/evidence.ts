import { isFatal, isNosy, RUNS, type Task } from "./tasks.ts";

/** One line that a handler wrote. */
export interface Note {
  readonly kind: "start" | "done";
  readonly id: string;
  readonly deliveries: number;
  readonly consumer: string;
  /** Its process group. */
  readonly group: number;
  /** Whether a success says so on stdout. */
  readonly prints: boolean;
}

/** What there is to be seen when everything has come to rest. */
export interface Evidence {
  /** What was produced. */
  readonly entries: ReadonlyMap<string, Task>;
  readonly notes: readonly Note[];
  /** The IDs of the entries that dead letters stand for. */
  readonly letters: readonly string[];
  /** The lines that handlers printed, as the entries of the stream that they go to; undefined: they go nowhere. */
  readonly emitted: readonly string[] | undefined;
  /** Everything that workers wrote to stdout. */
  readonly printed: string;
  /** With order by key, the key of an entry. */
  readonly keyOf: ((id: string) => string) | undefined;
  readonly pending: number;
  readonly undelivered: number;
  /** Whether a fault may have cut this consumer off from what it had in hand. */
  readonly wasStruck: (consumer: string) => boolean;
  /** Whether a fault ended the process group of this run: what ran there last has failed, and is run again. */
  readonly wasKilled: (note: Note) => boolean;
  /** The most entries that struck consumers had in hand, over all faults, and that ran in killed groups. */
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
  const struck = tally([
    ...notes.filter(({ kind, consumer }) => kind === "start" && wasStruck(consumer)).map(({ id }) => id),
    ...cutShort(evidence),
  ]);
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
  violations.push(...outputs.missing, ...printFaults(evidence), ...orderFaults(evidence));
  doubled.push(...outputs.doubled);
  if (doubled.length > mayDouble) violations.push(...doubled);
  if (pending > 0) violations.push(`${pending} entries are still pending`);
  if (undelivered > 0) violations.push(`${undelivered} entries were not delivered`);
  if (repeated > mayRepeat)
    violations.push(`${repeated} runs too many, where the faults account for ${mayRepeat}`);
  return { violations, repeated };
}

/** The entries whose runs were the last in process groups that faults ended, and that nothing else accounts for. */
function cutShort({ notes, wasStruck, wasKilled }: Evidence): string[] {
  const last = new Map<string, string>();
  for (const note of notes)
    if (note.kind === "start" && wasKilled(note) && !wasStruck(note.consumer))
      last.set(`${note.consumer} ${note.group}`, note.id);
  return [...last.values()];
}

/** Each success puts out what its run printed, once, and nothing else is put out. */
function outputFaults({ entries, emitted }: Evidence): { missing: string[]; doubled: string[] } {
  const missing: string[] = [];
  const doubled: string[] = [];
  if (!emitted) return { missing, doubled };
  const counts = tally(emitted.map(beginning));
  for (const [id, task] of entries) {
    const wanted = { out: isFatal(task) ? 0 : 1, list: isNosy(task) ? 1 : 0 };
    for (const [what, times] of Object.entries(wanted)) {
      const count = counts.get(`${what} ${id}`) ?? 0;
      counts.delete(`${what} ${id}`);
      if (count === times) continue;
      const told = `${id} (${task}) was put out ${count} times${what === "list" ? " (its list)" : ""}`;
      (count > times ? doubled : missing).push(told);
    }
  }
  for (const line of counts.keys()) missing.push(`nobody's output was put out: ${line}`);
  return { missing, doubled };
}

/** What a line says, and of which entry. */
function beginning(line: string): string {
  return line.split(" ", 2).join(" ");
}

/** A worker acks nothing before its output has been taken; and each run says it once. */
function printFaults({ entries, notes, emitted, printed }: Evidence): string[] {
  if (emitted) return printed === "" ? [] : [`stdout holds what was to be put out: ${printed.slice(0, 200)}`];
  const faults: string[] = [];
  const lines = tally(Array.from(printed.matchAll(/^out (\S+)$/gm), ([, id]) => id as string));
  const printing = notes.filter(({ prints }) => prints);
  const runs = countById(printing, "start");
  // One that says nothing may have been the one that counts.
  const quiet = new Set(notes.filter(({ kind, prints }) => kind === "done" && !prints).map(({ id }) => id));
  for (const [id, task] of entries) {
    const count = lines.get(id) ?? 0;
    if (count === 0 && !isFatal(task) && !quiet.has(id))
      faults.push(
        `${id} (${task}) was acked, and its output is lost:${history(notes, id)}${around(printed, `out ${id}`)}`,
      );
    if (count > (runs.get(id) ?? 0))
      faults.push(`${id} (${task}) was printed ${count} times:${history(notes, id)}`);
  }
  return faults;
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
      const [kind, id, deliveries, consumer, group, prints] = line.split(" ");
      if ((kind !== "start" && kind !== "done") || !id || !consumer || !prints)
        throw new Error(`not a handler's line: ${line}`);
      const numbers = { deliveries: Number(deliveries), group: Number(group) };
      return { kind, id, consumer, ...numbers, prints: prints === "prints" };
    });
}

/** Where text stands all the same, with what is before and behind it. */
function around(printed: string, text: string): string {
  const at = printed.search(new RegExp(`${text}\\b`));
  return at < 0 ? "" : `; but there is ${JSON.stringify(printed.slice(Math.max(0, at - 80), at + 80))}`;
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
