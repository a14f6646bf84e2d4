import type { GroupName, StreamKey } from "../../entry/names.ts";
/** Who acts: a consumer of a group acting on one stream. */
export interface Member {
  readonly group: GroupName;
  readonly consumer: string;
  /** Where the holders of a stream's entries stand (see lua/held.ts); undefined where they are not kept. */
  readonly holders?: ((stream: StreamKey) => string | undefined) | undefined;
}

/** The keys of a step that settles entries, as the scripts have them: the holders come last. */
export function settlingKeys(member: Member, stream: StreamKey, ...more: string[]): string[] {
  const holders = member.holders?.(stream);
  return holders === undefined ? [stream, ...more] : [stream, ...more, holders];
}
