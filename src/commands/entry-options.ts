import { InvalidArgumentError, Option } from "commander";
import { parsePosition, POSITION_FORMS } from "../engine/position.ts";
import { type Condition, parseCondition } from "../engine/where.ts";

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
