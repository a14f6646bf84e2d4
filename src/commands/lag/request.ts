import { COUNT_LIMIT, countBudget, type LagRequest } from "../../engine/lag/lag.ts";
import type { LagFlags } from "./lag.ts";

/** How far to count, and which limits have to be decided: a bound that stops short of one would not tell. */
export function countRequest(flags: LagFlags): Pick<LagRequest, "countLimit" | "budget" | "decide"> {
  const { countLimit, exact, maxLag, warnLag, critLag } = flags;
  if (exact) return { countLimit: Number.POSITIVE_INFINITY };
  const decide = [maxLag, warnLag, critLag].filter((limit) => limit !== undefined);
  if (countLimit !== undefined) return { countLimit, decide };
  return { countLimit: COUNT_LIMIT, budget: countBudget(), decide };
}
