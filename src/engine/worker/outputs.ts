import { EntryDraft } from "../../entry/entry-draft.ts";
import { JsonDecoder } from "../../entry/json-decode.ts";
import { JsonFault } from "../../entry/json-scan.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/ops/limits.ts";

const PAYLOAD = Buffer.from("payload");
const LINE_END = 0x0a;

/**
 * What a handler printed as entries: a line that is a JSON object gives a field per key, as in produce; any
 * other line is one field `payload`. Empty lines are none. Text says why the output can't be written.
 */
export function outputEntries(stdout: Buffer): Buffer[][] | string {
  const decoder = new JsonDecoder();
  const draft = new EntryDraft();
  const entries: Buffer[][] = [];
  for (let begin = 0, line = 1; begin < stdout.length; line++) {
    const newline = stdout.indexOf(LINE_END, begin);
    const end = newline < 0 ? stdout.length : newline;
    if (end > begin) {
      const fields = lineFields(decoder, draft, stdout, begin, end);
      if (fields.length > MAX_SCRIPT_VALUES)
        return `line ${line} of its output has more fields than one step can write`;
      entries.push(fields);
    }
    begin = end + 1;
  }
  return entries;
}

function lineFields(
  decoder: JsonDecoder,
  draft: EntryDraft,
  source: Buffer,
  begin: number,
  end: number,
): Buffer[] {
  try {
    decoder.object(source, begin, end, draft);
    return draft.fields();
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    return [PAYLOAD, source.subarray(begin, end)];
  }
}
