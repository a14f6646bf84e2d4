import { InvalidArgumentError, Option } from "commander";
import { parsePosition, POSITION_FORMS } from "../engine/position.ts";
import { type Condition, parseCondition } from "../engine/where.ts";
import { parseEntryId } from "../entry/id.ts";

/** An option whose value becomes a Position (see src/engine/position.ts). */
export function positionOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    const position = parsePosition(text);
    if (position === undefined) throw new InvalidArgumentError(`Give ${POSITION_FORMS}.`);
    return position;
  });
}

/** `--where`, repeatable; its value becomes a list of Conditions, all of which must hold. */
export function whereOption(): Option {
  return new Option(
    "--where <condition>",
    "only entries with field=value, field!=value, field~regex or field!~regex; repeat it to ask for more",
  ).argParser((text: string, before: Condition[] | undefined) => {
    const condition = parseCondition(text);
    if (typeof condition === "string") throw new InvalidArgumentError(condition);
    return [...(before ?? []), condition];
  });
}

/** Where a group begins: `0` (everything in the stream), `$` (what comes from now on), or after an ID. */
export function groupStartOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    const start = text === "$" ? text : parseEntryId(text);
    if (start === undefined) throw new InvalidArgumentError("Give 0, $ or an entry ID.");
    return text;
  });
}
