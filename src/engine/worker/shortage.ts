const SHORTAGES = new Set(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ENOSPC"]);

/** This machine has no room for it now: says nothing about an entry. */
export class Shortage extends Error {}

export function isShortage(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return error instanceof Shortage || (code !== undefined && SHORTAGES.has(code));
}
