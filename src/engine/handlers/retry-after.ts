import type { IncomingHttpHeaders } from "node:http";

/**
 * How long a server asks to wait (RFC 9110, Retry-After): seconds, or a date, which is measured from the server's own
 * Date where it says one. Undefined where it says nothing that can be read.
 */
export function retryAfterMs(headers: IncomingHttpHeaders, nowMs = Date.now()): number | undefined {
  const text = headers["retry-after"]?.trim();
  if (!text) return undefined;
  if (/^\d{1,12}$/.test(text)) return Number(text) * 1_000;
  if (!HTTP_DATE.test(text)) return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at)) return undefined;
  const serverNow = headers.date === undefined ? Number.NaN : Date.parse(headers.date);
  return Math.max(0, at - (Number.isNaN(serverNow) ? nowMs : serverNow));
}

/** Its own form and the two that are obsolete: a day's name comes first in each. */
const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/;
