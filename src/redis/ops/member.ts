/** Who acts: a consumer of a group acting on one stream. */
export interface Member {
  readonly group: string;
  readonly consumer: string;
  /** With order by key: where the holders of a stream's entries stand (see scripts/held.ts). */
  readonly holders?: ((stream: string) => string) | undefined;
}

/** The keys of a step that settles entries, as the scripts have them: the holders come last. */
export function settlingKeys(member: Member, stream: string, ...more: string[]): string[] {
  return member.holders ? [stream, ...more, member.holders(stream)] : [stream, ...more];
}
