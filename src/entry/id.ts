declare const brand: unique symbol;

/** `<ms>-<seq>`, both unsigned 64-bit decimals without leading zeros. Made only by parseEntryId, and by decoders of replies. */
export type EntryId = string & { readonly [brand]: "EntryId" };

const MAX = 18446744073709551615n;

/** Parses `ms` or `ms-seq`; a missing sequence becomes `missingSeq`. Returns undefined when it is no ID. */
export function parseEntryId(text: string, missingSeq: bigint = 0n): EntryId | undefined {
  const match = /^(\d{1,20})(?:-(\d{1,20}))?$/.exec(text);
  if (!match) return undefined;
  const ms = BigInt(match[1] as string);
  const seq = match[2] === undefined ? missingSeq : BigInt(match[2]);
  if (ms > MAX || seq > MAX) return undefined;
  return `${ms}-${seq}` as EntryId;
}

/** The milliseconds part of an ID that is known to be well formed. */
export function idMs(id: string): number {
  const dash = id.indexOf("-");
  return Number(dash < 0 ? id : id.slice(0, dash));
}

/** <0, 0 or >0, in stream order. Both must be well formed. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  const [aMs, aSeq] = split(a);
  const [bMs, bSeq] = split(b);
  return compareDecimals(aMs, bMs) || compareDecimals(aSeq, bSeq);
}

/** Decimals shorter than that are exact as numbers, and far faster than as BigInt. */
const SAFE_DIGITS = 16;

/** The smallest ID after `id`. The last of all IDs has none: undefined. */
export function nextId(id: string): EntryId | undefined {
  const [ms, seq] = split(id);
  if (seq.length < SAFE_DIGITS) return `${ms}-${Number(seq) + 1}` as EntryId;
  const next = BigInt(seq) + 1n;
  if (next <= MAX) return `${ms}-${next}` as EntryId;
  return BigInt(ms) === MAX ? undefined : (`${BigInt(ms) + 1n}-0` as EntryId);
}

/** The largest ID before `id`. `0-0` has none: undefined. */
export function previousId(id: string): EntryId | undefined {
  const [ms, seq] = split(id);
  if (BigInt(seq) > 0n) return `${ms}-${BigInt(seq) - 1n}` as EntryId;
  return BigInt(ms) === 0n ? undefined : (`${BigInt(ms) - 1n}-${MAX}` as EntryId);
}

/** An ID as one number of 128 bits: its place among all IDs. */
export function idNumber(id: string): bigint {
  const [ms, seq] = split(id);
  return (BigInt(ms) << 64n) | BigInt(seq);
}

/** The ID with that number. */
export function numberedId(number: bigint): EntryId {
  return `${number >> 64n}-${number & MAX}` as EntryId;
}

function split(id: string): [string, string] {
  const dash = id.indexOf("-");
  return dash < 0 ? [id, "0"] : [id.slice(0, dash), id.slice(dash + 1)];
}

function compareDecimals(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
