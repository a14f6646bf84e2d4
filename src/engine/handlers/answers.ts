import type { Job } from "./handler.ts";

/** What a handler said of one entry. */
export type Answer =
  | { readonly answer: "ok" }
  | { readonly answer: "retry" | "dead"; readonly reason: string };

/** Longer reasons are cut: they stand in a field of the dead letter and in one line of the log. */
const MAX_REASON = 1_024;

const ANSWER = /^(ok|retry|dead)(?:[ \t]+(.*))?$/s;
const RESULT = /^(\d+-\d+)[ \t]+(.*)$/s;

/** `ok`, `retry REASON` or `dead REASON`, with or without a line end; undefined when it is none of them. */
export function parseAnswer(line: Buffer): Answer | undefined {
  return line.equals(OK) ? SAID_OK : answerIn(textOf(line));
}

const OK = Buffer.from("ok");
const SAID_OK: Answer = { answer: "ok" };

function answerIn(text: string): Answer | undefined {
  const [, answer, reason = ""] = ANSWER.exec(text) ?? [];
  if (answer === "ok") return reason === "" ? SAID_OK : undefined;
  if (answer !== "retry" && answer !== "dead") return undefined;
  return { answer, reason: cut(reason.trim(), MAX_REASON) || `the command said ${answer}` };
}

/** A line as it can stand in a message: cut, and with its control characters escaped. */
export function quoted(line: Buffer): string {
  return JSON.stringify(cut(textOf(line.subarray(0, MAX_QUOTED * 4)), MAX_QUOTED));
}

const MAX_QUOTED = 80;

/**
 * What a handler of several entries said of each: lines `ID ok|retry REASON|dead REASON`, or `STREAM ID …`
 * where one ID occurs in several streams. A line that does not say clearly which entry it means settles none.
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
    return `${quoted(line)} is no result: write ID ok, ID retry REASON or ID dead REASON`;
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
