/** `: did you mean "…"?`, or "" when no candidate is close to what was written. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const limit = Math.ceil(word.length * 0.4);
  let best: string | undefined;
  let least = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(plain(word), plain(candidate));
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best === undefined ? "" : `: did you mean "${best}"?`;
}

/** `read-only`, `readOnly` and `read_only` are one word spelled three ways. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, "");
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
