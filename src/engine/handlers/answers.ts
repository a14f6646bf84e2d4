import { parseDuration } from "../../units.ts";
import type { Job, Notice } from "./handler.ts";

/** What a handler said of one entry. */
export type Answer =
  | { readonly answer: "ok" }
  /** `delayMs` undefined: after the backoff. */
  | { readonly answer: "retry"; readonly reason: string; readonly delayMs?: number }
  | { readonly answer: "dead"; readonly reason: string }
  /** Later, without being counted as a delivery. */
  | { readonly answer: "snooze"; readonly reason: string; readonly delayMs: number };

/** The grammar, for messages. */
export const GRAMMAR = "ok, retry [in DURATION] [REASON], dead [REASON] or snooze DURATION [REASON]";

/** Longer reasons are cut: they stand in a field of the dead letter and in one line of the log. */
const MAX_REASON = 1_024;

const ANSWER = /^(ok|retry|dead|snooze)(?:[ \t]+(.*))?$/s;
const DELAY = /^(\S+)(?:[ \t]+(.*))?$/s;
const IN = /^in[ \t]+(.*)$/s;
const RESULT = /^(\d+-\d+)[ \t]+(.*)$/s;

/** One word of the grammar, with or without a line end; undefined when it is none. */
export function parseAnswer(line: Buffer): Answer | undefined {
  return line.equals(OK) ? SAID_OK : answerIn(textOf(line));
}

const OK = Buffer.from("ok");
const SAID_OK: Answer = { answer: "ok" };

function answerIn(text: string): Answer | undefined {
  const [, answer, rest = ""] = ANSWER.exec(text) ?? [];
  switch (answer) {
    case "ok":
      return rest === "" ? SAID_OK : undefined;
    case "dead":
      return { answer, reason: reasonOf(answer, rest) };
    case "retry": {
      // What follows may be a reason that begins with "in".
      const delay = delayIn(IN.exec(rest)?.[1] ?? "");
      if (!delay) return { answer, reason: reasonOf(answer, rest) };
      return { answer, reason: reasonOf(answer, delay.rest), delayMs: delay.delayMs };
    }
    case "snooze": {
      const delay = delayIn(rest);
      return delay && { answer, reason: reasonOf(answer, delay.rest), delayMs: delay.delayMs };
    }
    case undefined:
    default:
      return undefined;
  }
}

/** A duration at the start of the text, and what stands behind it. */
function delayIn(text: string): { readonly delayMs: number; readonly rest: string } | undefined {
  const [, duration = "", rest = ""] = DELAY.exec(text) ?? [];
  const delayMs = parseDuration(duration);
  return delayMs === undefined ? undefined : { delayMs, rest };
}

function reasonOf(answer: string, text: string): string {
  return cut(text.trim(), MAX_REASON) || `the command said ${answer}`;
}

/** A line as it can stand in a message: cut, and with its control characters escaped. */
export function quoted(line: Buffer): string {
  return JSON.stringify(cut(textOf(line.subarray(0, MAX_QUOTED * 4)), MAX_QUOTED));
}

const MAX_QUOTED = 80;

/** Tells of lines that settled nothing, without letting a chatty handler fill the log. */
export class Complaints {
  readonly #notice: Notice;
  readonly #shown: number;
  #count = 0;

  /** So many of one run are shown, and the rest counted. */
  constructor(notice: Notice, shown: number) {
    this.#notice = notice;
    this.#shown = shown;
  }

  add(complaint: string | undefined): void {
    if (complaint === undefined) return;
    if (++this.#count <= this.#shown) this.#notice("warn", `ignored on fd 3: ${complaint}`);
  }

  end(): void {
    const more = this.#count - this.#shown;
    if (more > 0) this.#notice("warn", `ignored on fd 3: ${more} more lines of the same run`);
  }
}

export const TOO_LONG = "a line that is too long to be a result";

/**
 * What a handler of several entries said of each: lines `ID WORD…` with a word of the grammar, or
 * `STREAM ID WORD…` where one ID occurs in several streams. A line that does not say clearly which entry it means settles none.
 */
export class AnswerSheet {
  readonly #answers = new Map<Job, Answer>();
  readonly #byId = new Map<string, Job[]>();
  readonly #streams: ReadonlySet<string>;

  constructor(unit: readonly Job[]) {
    for (const job of unit) {
      const { id } = job.entry;
      const sharing = this.#byId.get(id);
      if (sharing) sharing.push(job);
      else this.#byId.set(id, [job]);
    }
    this.#streams = new Set(unit.map(({ stream }) => stream));
  }

  /** Notes one line; gives why it settles nothing, or undefined. The last word on an entry counts. */
  note(line: Buffer): string | undefined {
    const text = textOf(line);
    const bare = this.#resultIn(text);
    if (bare) {
      const sharing = this.#byId.get(bare.id) ?? [];
      const [job] = sharing;
      if (!job) return `${bare.id} is not in this batch`;
      if (sharing.length > 1) return `${bare.id} is in several streams of this batch: write STREAM ID RESULT`;
      this.#answers.set(job, bare.answer);
      return undefined;
    }
    for (const stream of this.#streams) {
      const result = text.startsWith(`${stream} `) && this.#resultIn(text.slice(stream.length + 1));
      if (!result) continue;
      const job = this.#byId.get(result.id)?.find((candidate) => candidate.stream === stream);
      if (!job) return `${result.id} of ${stream} is not in this batch`;
      this.#answers.set(job, result.answer);
      return undefined;
    }
    return `${quoted(line)} is no result: write ID and ${GRAMMAR}`;
  }

  of(job: Job): Answer | undefined {
    return this.#answers.get(job);
  }

  #resultIn(text: string): { id: string; answer: Answer } | undefined {
    const [, id, rest = ""] = RESULT.exec(text) ?? [];
    const answer = id === undefined ? undefined : answerIn(rest);
    return id === undefined || answer === undefined ? undefined : { id, answer };
  }
}

/** Programs that end lines as Windows does mean the same. */
function textOf(line: Buffer): string {
  return line.toString("utf8").trimEnd();
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
