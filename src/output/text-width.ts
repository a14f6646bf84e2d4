import stringWidth from "string-width";

/** What a terminal shows in as many columns as it has characters. */
const PLAIN = /^[ -~\u00a1-\u02ff\u2026\u202f]*$/;

/**
 * How many columns of a terminal a text takes that has no control characters, as cli-table3 measures it. Import
 * lazily: it brings string-width.
 */
export function textWidth(text: string): number {
  return PLAIN.test(text) ? text.length : stringWidth(text);
}

/** The spaces that fill a text up to `width` columns. */
export function padding(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - textWidth(text)));
}

/**
 * Cut to `width` columns, with `…` for what is missing. `head` is the share of them that the beginning of the
 * text gets, the rest its end has: 1 cuts the end off, 0.5 takes out the middle.
 */
export function cutText(text: string, width: number, head: number): string {
  if (textWidth(text) <= width) return text;
  if (width < 1) return "";
  const room = width - 1;
  const clusters = PLAIN.test(text) ? text.split("") : segments(text);
  const ends = fitting(clusters.toReversed(), Math.floor(room * (1 - head))).toReversed();
  const tail = ends.join("");
  const start = fitting(clusters.slice(0, clusters.length - ends.length), room - textWidth(tail)).join("");
  return `${start}…${tail}`;
}

/** As many of the first clusters as `width` columns hold. */
function fitting(clusters: readonly string[], width: number): string[] {
  let used = 0;
  const end = clusters.findIndex((cluster) => (used += textWidth(cluster)) > width);
  return clusters.slice(0, end < 0 ? undefined : end);
}

/** What a reader takes for one character: an emoji of several code points, a letter with its marks. */
function segments(text: string): string[] {
  segmenter ??= new Intl.Segmenter();
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}

let segmenter: Intl.Segmenter | undefined;
