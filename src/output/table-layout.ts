import type { Column } from "./column.ts";
import { NONE } from "./format.ts";
import { cutText, textWidth } from "./text-width.ts";

export const GAP = "  ";
/** No column is cut to less than this. */
const LEAST = 8;
/** A text that is cut at its end says something in so many columns. */
const READABLE = 16;
/** A name is left this wide as long as there is a column that can be done without. */
const NAME = 32;

/** A column that is shown, and how wide. */
export interface Place {
  readonly index: number;
  readonly align: "left" | "right";
  /** How a text is cut that is too long: the share of the width that its beginning gets. */
  readonly head: number;
  width: number;
}

interface Candidate extends Place {
  readonly optional: boolean | "late";
  /** It says the same in every row. */
  readonly same: boolean;
  /** So wide it should be: for less, optional columns go. */
  readonly wanted: number;
  /** So wide it has to be for its texts to be told apart. */
  readonly needed: number;
  readonly least: number;
}

type Layable = Pick<Column<unknown>, "align" | "optional" | "whole" | "cut" | "onlyWhenSaid">;

/**
 * Chooses the columns that fit into `room`, and their widths; the first row are the titles. A column that is there only
 * when it is said goes where no row says anything. Where there is
 * too little room, the columns that can be done without go: first those that say the same in every row, and
 * the last one before the others. Then names are cut, but only so far that different ones still look
 * different; and only then further.
 */
export function layOut(
  columns: readonly Layable[],
  rows: readonly (readonly string[])[],
  room: number = Number.POSITIVE_INFINITY,
): readonly Place[] {
  const texts = columns.map((_, index) => rows.map((row) => row[index] ?? ""));
  const natural = texts.map((each) => each.reduce((most, text) => Math.max(most, textWidth(text)), 0));
  const shown = columns.map(
    ({ onlyWhenSaid }, index) =>
      !onlyWhenSaid || texts[index]?.slice(1).some((text) => text !== "" && text !== NONE),
  );
  const fits =
    natural.reduce((sum, width, index) => sum + (shown[index] ? width + GAP.length : 0), -GAP.length) <= room;
  const places = columns.flatMap((column, index) => {
    if (!shown[index]) return [];
    const width = Math.min(natural[index] ?? 0, room);
    return [candidate(column, index, fits ? [] : (texts[index] ?? []), width)];
  });
  drop(places, room, true, ({ wanted }) => wanted);
  drop(places, room, "late", ({ needed }) => needed);
  // What a text says at its end is worth less than a part of a name.
  shrink(places, room, ({ head, wanted, width }) => (head === 1 ? Math.max(wanted, NAME) : width));
  shrink(places, room, ({ wanted }) => wanted);
  shrink(places, room, ({ needed }) => needed);
  shrink(places, room, ({ least }) => least);
  return places;
}

function candidate(
  { align = "left", optional = false, whole = false, cut = "middle" }: Layable,
  index: number,
  texts: readonly string[],
  width: number,
): Candidate {
  const same = texts.slice(2).every((text) => text === texts[1]);
  const place = { index, align, head: 1, optional, same, width };
  // Numbers are never cut.
  if (whole || align === "right") return { ...place, wanted: width, needed: width, least: width };
  if (cut === "end") {
    const needed = Math.min(width, READABLE);
    return { ...place, wanted: needed, needed, least: Math.min(needed, LEAST) };
  }
  const { head, needed } = bestCut([...new Set(texts)], width);
  const wanted = Math.min(width, Math.max(needed, NAME));
  return { ...place, head, wanted, needed, least: Math.min(needed, LEAST) };
}

/** Leaves out optional columns until what the others should have fits: the last first, before it what is the same in every row. */
function drop(
  places: Candidate[],
  room: number,
  which: true | "late",
  widthOf: (place: Candidate) => number,
): void {
  while (total(places, widthOf) > room) {
    const optional = places.filter((place) => place.optional === which);
    const out = optional.findLast(({ same }) => same) ?? optional.at(-1);
    if (!out) return;
    places.splice(places.indexOf(out), 1);
  }
}

/** Where names differ in their beginnings or their ends, more of these is shown. The first is best for reading. */
const HEADS = [0.5, 0.75, 0.25, 0.9, 0.1];

/** How to cut names so that the least width is enough to tell them apart. */
function bestCut(names: readonly string[], natural: number): { head: number; needed: number } {
  const cuts = HEADS.map((head) => ({ head, needed: neededWidth(names, natural, head) }));
  return cuts.reduce((best, cut) => (cut.needed < best.needed ? cut : best));
}

/** The least width at which no two different names look the same. More room never makes two alike. */
function neededWidth(names: readonly string[], natural: number, head: number): number {
  let low = Math.min(natural, LEAST);
  for (let high = natural; low < high;) {
    const middle = Math.floor((low + high) / 2);
    const shown = new Set(names.map((name) => cutText(name, middle, head)));
    if (shown.size === names.length) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Takes from the widest column until all fit, but from none below its limit. */
function shrink(places: readonly Candidate[], room: number, limit: (place: Candidate) => number): void {
  for (let over = total(places, ({ width }) => width) - room; over > 0; over--) {
    const [widest] = places.filter((place) => place.width > limit(place)).sort((a, b) => b.width - a.width);
    if (!widest) return;
    widest.width--;
  }
}

function total(places: readonly Candidate[], widthOf: (place: Candidate) => number): number {
  return places.reduce((sum, place) => sum + widthOf(place), GAP.length * (places.length - 1));
}
