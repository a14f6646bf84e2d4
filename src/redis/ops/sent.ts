import type { ConnectionError } from "../../errors.ts";
import { translateReply } from "../errors.ts";
import type { Pipeline } from "../pipeline.ts";
import { encodeCommand, type Reply, ReplyError, RespParser } from "../resp.ts";

/** `same`: the ID is there with exactly these fields. `other`: with different ones. */
type Verdict = "same" | "other" | "missing";

/** The arguments of an encoded command, its name first. */
export function readCommand(bytes: Buffer): Buffer[] {
  let args: Buffer[] = [];
  new RespParser((reply) => {
    args = reply as Buffer[];
  }).push(bytes);
  return args;
}

/**
 * Asks for each of these XADD commands whether its entry is in the stream. `idIndex` is the place of the
 * ID among a command's arguments; the fields follow it. Throws ConnectionError when the pipeline dies, and
 * ServerError when reading is refused.
 */
export async function lookUp(
  pipeline: Pipeline,
  key: string,
  idIndex: number,
  commands: readonly Buffer[],
): Promise<Verdict[]> {
  if (commands.length === 0) return [];
  const sent = commands.map(readCommand);
  const requests = sent.map((args) => {
    const id = args[idIndex] as Buffer;
    return encodeCommand(["XRANGE", key, id, id]);
  });
  return new Promise((resolve, reject) => {
    const verdicts: Verdict[] = [];
    let refused: ReplyError | undefined;
    const onReply = (reply: Reply): void => {
      if (reply instanceof ReplyError) refused ??= reply;
      const args = sent[verdicts.length] as Buffer[];
      verdicts.push(compare(reply, args.slice(idIndex + 1)));
      if (verdicts.length < sent.length) return;
      if (refused) reject(translateReply(refused.text, { command: "XRANGE", key }));
      else resolve(verdicts);
    };
    const onLost = (error: ConnectionError): void => reject(error);
    pipeline.send(Buffer.concat(requests), requests.length, onReply, onLost);
  });
}

function compare(reply: Reply, fields: readonly Buffer[]): Verdict {
  const entry = Array.isArray(reply) ? reply[0] : undefined;
  const there = Array.isArray(entry) ? entry[1] : undefined;
  if (!Array.isArray(there)) return "missing";
  const same =
    there.length === fields.length &&
    there.every((field, index) => Buffer.isBuffer(field) && field.equals(fields[index] as Buffer));
  return same ? "same" : "other";
}
