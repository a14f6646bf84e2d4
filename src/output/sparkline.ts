const BARS = "▁▂▃▄▅▆▇█";

/**
 * The last `width` values as a line of bars, scaled from 0 to the largest of them; fewer values leave the
 * left side empty.
 */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const most = Math.max(...shown, 1);
  const bars = shown.map((value) => BARS[Math.ceil((Math.max(0, value) / most) * (BARS.length - 1))]);
  return bars.join("").padStart(width);
}
