import type { Io } from "../io.ts";

/** q, Q, and what Ctrl-C and Ctrl-D send. */
const QUIT = ["q", "Q", "\u0003", "\u0004"];

/**
 * Calls back when a person presses q, Ctrl-C or Ctrl-D. The terminal sends keys one by one from now on, and
 * no signals for them, until the function that is returned is called; it may be called twice. Where stdin
 * is no terminal, nothing happens.
 */
export function onQuitKey({ stdin }: Pick<Io, "stdin">, quit: () => void): () => void {
  if (!stdin.isTTY || !stdin.setRawMode) return () => {};
  const onData = (keys: Buffer | string): void => {
    if (QUIT.some((key) => keys.includes(key))) quit();
  };
  stdin.setRawMode(true);
  stdin.on("data", onData);
  stdin.resume();
  let listening = true;
  return () => {
    if (!listening) return;
    listening = false;
    stdin.off("data", onData);
    stdin.setRawMode?.(false);
    stdin.pause();
  };
}
