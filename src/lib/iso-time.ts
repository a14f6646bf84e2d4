const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:[.,](\d{1,9}))?)?)(Z|[+-]\d\d:?\d\d)?)?$/i;

/**
 * A date or time of ISO 8601 in nanoseconds since 1970; undefined when it is none. Without an offset it is local time; a
 * date alone is its local midnight.
 */
export function parseIsoTime(text: string): bigint | undefined {
  const [all, date = "", time = "00:00", fraction = "", offset = ""] = TIME.exec(text) ?? [];
  if (all === undefined || !isDay(date)) return undefined;
  const zone = offset.toUpperCase().replace(/^([+-]\d\d)(\d\d)$/, "$1:$2");
  const ms = Date.parse(`${date}T${time.replace(/[.,].*/, "")}${zone}`);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** Date.parse takes 31 February for 3 March. */
function isDay(date: string): boolean {
  const day = new Date(`${date}T00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().slice(0, 10) === date;
}
