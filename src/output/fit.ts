/**
 * Text cut to fit `width` columns of a terminal, with `…` where something is missing. Every character
 * beyond Latin counts as two columns, which is never too few: a line that wraps could not be redrawn.
 */
export function fitWidth(text: string, width: number): string {
  let used = 0;
  let at = 0;
  let cut = 0;
  for (const character of text) {
    used += (character.codePointAt(0) as number) < 0x300 ? 1 : 2;
    if (used > width) return width < 1 ? "" : `${text.slice(0, cut)}…`;
    at += character.length;
    if (used <= width - 1) cut = at;
  }
  return text;
}
