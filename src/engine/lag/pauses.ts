import { ServerError } from "../../errors.ts";
import { bySlot } from "../../redis/keys.ts";
import type { Caller } from "../../redis/ops/caller.ts";
import { type Pause, pauseKey, pausesQuestion } from "../../redis/ops/pause.ts";
import type { Asker, FoundGroup } from "./find-groups.ts";

/** The pause of each group; undefined: it is not paused; null: this user may not look. One question for all of a slot. */
export async function findPauses(
  { cluster }: Pick<Caller, "cluster">,
  asker: Asker,
  groups: readonly FoundGroup[],
): Promise<(Pause | null | undefined)[]> {
  const keys = groups.map(({ stream, group }) => pauseKey(stream, group.name, cluster));
  const seen = new Map<string, Pause | null | undefined>();
  const ask = async (parts: readonly (readonly string[])[]): Promise<void> => {
    const refused: string[] = [];
    const questionOf = (some: readonly string[]) =>
      pausesQuestion(some, (answer) => {
        const pauses = answer instanceof ServerError ? undefined : answer;
        // Where one of several keys is refused the server says nothing of the others.
        if (pauses === undefined && some.length > 1) refused.push(...some);
        else for (const [i, key] of some.entries()) seen.set(key, pauses ? pauses[i] : null);
      });
    await asker(parts.map(questionOf));
    if (refused.length > 0) await ask(refused.map((key) => [key]));
  };
  await ask(bySlot(keys, cluster));
  return keys.map((key) => seen.get(key));
}
