import { ServerError } from "../../errors.ts";
import { isRefused, isTransient, translateReply } from "../errors.ts";
import { keyOf } from "../keys.ts";
import type { Pipeline } from "../pipeline.ts";
import { type Reply, ReplyError } from "../resp.ts";
import type { Value } from "../value.ts";
import type { Caller } from "./caller.ts";

type Command = readonly [name: string, ...args: string[]];

/** A read whose answer is text and numbers. */
export interface Question {
  readonly command: Command;
  /** What asks the same where that is refused. */
  readonly instead?: Command;
  /** Takes the reply, or the error reply; must not throw. Bulk strings may be Buffers or text. */
  readonly take: (answer: Value | ServerError) => void;
}

/** Takes an answer decoded, or the error reply. */
export function decoded<T>(
  decode: (answer: Value) => T,
  take: (answer: T | ServerError) => void,
): Question["take"] {
  return (answer) => take(answer instanceof ServerError ? answer : decode(answer));
}

/**
 * Asks many questions at once, in their order, and resolves when each has its answer. Over a pipeline (opened
 * with `text`) they leave in one write and their replies cost no promise; what it could not answer, and all
 * without one, is asked through the connection, and repeated while that makes sense.
 */
export async function ask(
  connection: Caller,
  pipeline: Pipeline | undefined,
  questions: readonly Question[],
): Promise<void> {
  const open = pipeline === undefined ? questions : await askOver(pipeline, questions);
  await Promise.all(open.map((question) => askOne(connection, question)));
}

/** Gives the questions that are still open. */
function askOver(pipeline: Pipeline, questions: readonly Question[]): Promise<Question[]> {
  const open: Question[] = [];
  return new Promise((resolve) => {
    if (questions.length === 0) return resolve(open);
    let answered = 0;
    const onReply = (reply: Reply): void => {
      const question = questions[answered++] as Question;
      const answer = valueOf(reply, question);
      if (answer instanceof ServerError && (isTransient(answer) || (question.instead && isRefused(answer))))
        open.push(question);
      else question.take(answer);
      if (answered === questions.length) resolve(open);
    };
    pipeline.send(encode(questions), questions.length, onReply, () => {
      resolve([...open, ...questions.slice(answered)]);
    });
  });
}

async function askOne(connection: Caller, { command, instead, take }: Question): Promise<void> {
  const [name, ...args] = command;
  try {
    take(await connection.persist(() => connection.call(name, ...args)));
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    if (instead && isRefused(error)) return askOne(connection, { command: instead, take });
    take(error);
  }
}

function valueOf(reply: Reply, { command: [name, ...args] }: Question): Value | ServerError {
  if (reply instanceof ReplyError)
    return translateReply(reply.text, { command: name, key: keyOf(name, args) });
  // Reads of streams answer with no simple strings, the only other way in which the two differ.
  return reply as Value;
}

function encode(questions: readonly Question[]): Buffer {
  let text = "";
  for (const { command } of questions) {
    text += `*${command.length}\r\n`;
    for (const word of command) text += `$${Buffer.byteLength(word)}\r\n${word}\r\n`;
  }
  return Buffer.from(text);
}
