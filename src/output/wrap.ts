/**
 * Text as lines of at most `width` columns, broken at spaces; a longer word has a line of its own. `widthOf`
 * tells how many columns a word takes.
 */
export function wrapWords(
  text: string,
  width: number,
  widthOf: (word: string) => number = (word) => word.length,
): string[] {
  const lines: string[] = [];
  let line = "";
  let used = 0;
  for (const word of text.split(" ").filter((each) => each !== "")) {
    const more = widthOf(word);
    if (line !== "" && used + 1 + more > width) {
      lines.push(line);
      line = "";
    }
    used = line === "" ? more : used + 1 + more;
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
