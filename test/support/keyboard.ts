import { PassThrough } from "node:stream";

/** A stdin that is a terminal. */
export function keyboard(): PassThrough {
  return Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} });
}

/** Presses keys one after the other: a prompt that is just being drawn does not listen yet. */
export async function press(stdin: PassThrough, ...keys: string[]): Promise<void> {
  for (const key of keys) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    stdin.write(key);
  }
}
