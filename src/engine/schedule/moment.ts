import type { Connection } from "../../redis/connection.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import { parseDuration } from "../../units.ts";
import { MOMENT_FORMS, parseMoment } from "../position.ts";

/** A time as people name it: by itself, or by how far it is from now (before 0: ago) by the server's clock. */
export type Moment =
  | { readonly kind: "at"; readonly ms: number }
  | { readonly kind: "fromNow"; readonly ms: number };

export const DUE_FORMS = `${MOMENT_FORMS}, an age like 15m, or +15m for 15 minutes from now`;

/** Undefined when it is none of these. */
export function parseDue(text: string): Moment | undefined {
  const ahead = text.startsWith("+");
  const ms = parseDuration(ahead ? text.slice(1) : text);
  if (ms !== undefined) return { kind: "fromNow", ms: ahead ? ms : -ms };
  const at = parseMoment(text);
  return at === undefined ? undefined : { kind: "at", ms: at };
}

/** In ms since 1970, by the server's clock where that is asked for. */
export async function momentMs(
  connection: Connection,
  moment: Moment | undefined,
): Promise<number | undefined> {
  if (moment === undefined || moment.kind === "at") return moment?.ms;
  return Math.max(0, (await serverNowMs(connection)) + moment.ms);
}
