import type { PauseChange } from "../engine/groups/pause.ts";
import { rfc3339 } from "../engine/groups/pause-text.ts";
import type { Pause } from "../redis/ops/pause.ts";
import type { Column } from "./column.ts";
import { NONE } from "./format.ts";

interface Pausable {
  /** Undefined: it is not paused; null: unknown. */
  readonly pause?: Pause | null | undefined;
}

/** A group's pause: for people one column, which a table without a pause does not have. */
export const PAUSE_COLUMNS: readonly Column<Pausable>[] = [
  {
    key: "paused",
    title: "PAUSED",
    value: ({ pause }) => (pause === null ? null : pause !== undefined),
    text: ({ pause }) => (pause ? shortText(pause) : NONE),
    tone: ({ pause }) => (pause ? "warning" : undefined),
    cut: "end",
    onlyWhenSaid: true,
  },
  program("pausedSince", ({ since }) => since?.toISOString() ?? null),
  program("pausedUntil", ({ until }) => until?.toISOString() ?? null),
  program("pausedBy", ({ by }) => by),
  program("pausedReason", ({ reason }) => reason),
];

function program(key: string, of: (pause: Pause) => string | null): Column<Pausable> {
  return { key, title: "", value: ({ pause }) => (pause ? of(pause) : null), onlyForPrograms: true };
}

/** The reason first: where a terminal is too narrow the end is cut. */
function shortText({ until, by, reason }: Pause): string {
  const parts = [
    reason ?? "",
    by === null ? "" : `by ${by}`,
    until === null ? "until it is resumed" : `until ${rfc3339(until)}`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

/** The rows of `group pause` and `group resume`. */
export const PAUSE_CHANGE_COLUMNS: readonly Column<PauseChange>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "group", title: "GROUP", value: (row) => row.group },
  {
    key: "wasPaused",
    title: "",
    value: (row) => row.before !== undefined,
    onlyForPrograms: true,
  },
  ...PAUSE_COLUMNS,
];
