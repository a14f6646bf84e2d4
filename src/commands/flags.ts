import { InvalidArgumentError } from "commander";
import { GROUP_START_FORMS, parseGroupStart } from "../engine/groups/start.ts";
import { parsePosition, POSITION_FORMS } from "../engine/position.ts";
import { type Condition, parseCondition } from "../engine/where.ts";
import { parseCount } from "../units.ts";
import { flag } from "./flag.ts";

/** `-g, --group`, the same everywhere. */
export const group = flag.group("-g, --group <group>", "the consumer group");

/** The same for commands that can't do without; `question` asks for it. */
export function requiredGroup<const Question extends string>(question: Question) {
  return flag.group("-g, --group <group>", "the consumer group", { required: question });
}

/** `--log`, for commands that run for long; Log takes it from the run's flags. */
export const log = flag.choice(
  "--log <format>",
  "how to write messages on stderr; json: an object per line",
  ["text", "json"],
  { default: "text" },
);

/** `--archive`, the same in every command that deletes entries. */
export const archive = flag.text(
  "--archive <file>",
  "append the entries to this file before deleting them; compressed when it ends in .gz",
  { defaults: "not in projects" },
);

/** `--dead-after`, the same everywhere. */
export const deadAfter = flag.duration(
  "--dead-after <duration>",
  "a consumer that holds entries looks dead when not heard of for this long",
  { otherwise: "5m" },
);

/** `--metrics-port`; where the endpoint is when the flag is not given, is each command's own. */
export const METRICS_PORT = [
  "--metrics-port <port>",
  "serve /metrics, /healthz and /readyz there; 0 is any free port",
  { parse: parsePort, form: "a port from 0 to 65535" },
] as const;

function parsePort(text: string): number | undefined {
  const port = parseCount(text);
  return port === undefined || port > 65_535 ? undefined : port;
}

/** Only this machine may look, unless told otherwise. */
export const metricsHost = flag.text(
  "--metrics-host <address>",
  "listen on this address; in a container 0.0.0.0",
  { default: "127.0.0.1" },
);

/** How a flag reads a Position (see src/engine/position.ts). */
export const POSITION = { parse: parsePosition, form: POSITION_FORMS };

/** How a flag reads where a group begins (see src/engine/groups/start.ts). */
export const GROUP_START = { parse: parseGroupStart, form: GROUP_START_FORMS };

/** `--where`: Conditions, all of which must hold. */
export const where = flag.list(
  "--where <condition>",
  "only entries with field=value, or with != ~regex !~ < <= > >=, or that have the field at all; field.a.b[0] goes into JSON; repeat it to ask for more",
  { read: readCondition },
);

function readCondition(text: string): Condition {
  const condition = parseCondition(text);
  if (typeof condition === "string") throw new InvalidArgumentError(condition);
  return condition;
}
