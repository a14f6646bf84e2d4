import { isUtf8 } from "node:buffer";
import { type EntryId, idMs } from "../../entry/id.ts";
import { groupName, streamKey } from "../../entry/names.ts";
import { dateOf } from "../../lib/calendar.ts";
import type { HandlerSettings, Job, Manner } from "./handler.ts";

type Variables = Record<string, string>;
type Member = Pick<HandlerSettings, "group" | "consumer">;

/** One variable larger than this is left out, and so is what would go past MAX_ENV together. */
const MAX_VALUE = 16 * 1024;
const MAX_ENV = 256 * 1024;

/** The variables of every process of a handler. */
export function memberVariables({ group, consumer }: Member): Variables {
  return { STREAMCTL_GROUP: group, STREAMCTL_CONSUMER: consumer };
}

/** The variables of a run for one entry. Fields are data, never part of the command's text. */
export function entryVariables(job: Job, settings: Member & Pick<HandlerSettings, "envFields">): Variables {
  const { stream, entry, deliveries } = job;
  const variables: Variables = {
    STREAMCTL_STREAM: stream,
    STREAMCTL_GROUP: settings.group,
    STREAMCTL_CONSUMER: settings.consumer,
    STREAMCTL_ID: entry.id,
    STREAMCTL_DELIVERIES: String(deliveries),
    STREAMCTL_TIMESTAMP: timestamp(entry.id),
  };
  return settings.envFields ? { ...fieldVariables(entry.fields), ...variables } : variables;
}

/** The variables of a run for several entries. */
export function batchVariables(jobs: readonly Job[], member: Member): Variables {
  const stream = onlyStream(jobs);
  return {
    STREAMCTL_BATCH: String(jobs.length),
    ...memberVariables(member),
    ...(stream === "" ? {} : { STREAMCTL_STREAM: stream }),
  };
}

/**
 * An environment that also tells a streamctl inside the handler which variables are those of the entry at
 * hand (see commands/flag-defaults.ts), those of a worker around this one included.
 */
export function markVariables(
  env: Readonly<Record<string, string | undefined>>,
  manner: Manner["kind"],
): Record<string, string | undefined> {
  const around = env[SET_BY_WORKER]?.split(" ") ?? [];
  const names = Object.keys(variablesOf(manner)).map((name) => name.slice(PREFIX.length));
  return { ...env, [SET_BY_WORKER]: [...new Set([...around, ...names])].join(" ") };
}

const PREFIX = "STREAMCTL_";
const SET_BY_WORKER = "STREAMCTL_SET_BY_WORKER";

function variablesOf(manner: Manner["kind"]): Variables {
  switch (manner) {
    case "single":
      return entryVariables(SOME_JOB, { ...SOME_MEMBER, envFields: false });
    case "batch":
      return batchVariables([SOME_JOB], SOME_MEMBER);
    case "persistent":
      return memberVariables(SOME_MEMBER);
  }
}

const SOME_MEMBER: Member = { group: groupName("-"), consumer: "-" };
const SOME_JOB: Job = { stream: streamKey("-"), entry: { id: "0-0" as EntryId, fields: [] }, deliveries: 1 };

/** The one stream that a batch is of; empty when there are several: a line of stdin always says its own. */
function onlyStream(jobs: readonly Job[]): string {
  const streams = new Set(jobs.map(({ stream }) => stream));
  return streams.size === 1 ? (jobs[0]?.stream ?? "") : "";
}

/**
 * RFC 3339; an ID that is no time (explicit IDs such as 1-1 are, far-future ones are not) gives its digits.
 */
function timestamp(id: EntryId): string {
  return dateOf(idMs(id))?.toISOString() ?? String(idMs(id));
}

/**
 * `FIELD_ORDER_ID` for `order-id`. The first of two equal names wins. A value with NUL, or that is no UTF-8,
 * can't be a variable: Node would alter it.
 */
function fieldVariables(fields: readonly Buffer[]): Variables {
  const variables: Variables = {};
  let size = 0;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = `FIELD_${(fields[i] as Buffer)
      .toString("utf8")
      .toUpperCase()
      .replace(/[^A-Z0-9]/g, "_")}`;
    const value = fields[i + 1] as Buffer;
    if (name in variables || value.length > MAX_VALUE || value.includes(0) || !isUtf8(value)) continue;
    size += name.length + value.length;
    if (size > MAX_ENV) break;
    variables[name] = value.toString("utf8");
  }
  return variables;
}
