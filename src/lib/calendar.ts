/**
 * The moment of milliseconds since 1970 or of an ISO 8601 text; null for what is none, and where RFC 3339, which has four digits
 * for a year, can't write it: IDs may be any number.
 */
export function dateOf(value: number | string): Date | null {
  const date = new Date(value);
  const year = date.getUTCFullYear();
  return year >= 0 && year <= 9_999 ? date : null;
}
