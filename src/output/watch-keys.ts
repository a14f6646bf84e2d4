import type { Io } from "../io.ts";

/** What a person can ask of a watch. */
export type WatchKey =
  | "quit"
  | "up"
  | "down"
  | "pageUp"
  | "pageDown"
  | "home"
  | "end"
  | "age"
  | "lag"
  | "pending"
  | "name";

/** Letters, and what terminals send for keys without one (xterm, and its application mode). */
const KEYS: Readonly<Record<string, WatchKey>> = {
  q: "quit",
  "\u0003": "quit", // Ctrl-C and Ctrl-D, which are keys in raw mode
  "\u0004": "quit",
  k: "up",
  "\u001b[A": "up",
  "\u001bOA": "up",
  j: "down",
  "\u001b[B": "down",
  "\u001bOB": "down",
  b: "pageUp",
  "\u001b[5~": "pageUp",
  " ": "pageDown",
  "\u001b[6~": "pageDown",
  "\u001b[H": "home",
  "\u001b[1~": "home",
  "\u001bOH": "home",
  "\u001b[F": "end",
  "\u001b[4~": "end",
  "\u001bOF": "end",
  a: "age",
  l: "lag",
  p: "pending",
  n: "name",
};

const ESCAPE = "\u001b";
const ONE_KEY = new RegExp(`${ESCAPE}\\[[\\d;]*[A-Za-z~]|${ESCAPE}O[A-Z]|.`, "gsu");

/**
 * Calls back for each key that means something. The terminal sends keys one by one from now on, and no
 * signals for them, until the function that is returned is called; it may be called twice. Where stdin is
 * no terminal, nothing happens.
 */
export function onWatchKeys({ stdin }: Pick<Io, "stdin">, press: (key: WatchKey) => void): () => void {
  if (!stdin.isTTY || !stdin.setRawMode) return () => {};
  const onData = (sent: Buffer | string): void => {
    for (const [text] of sent.toString().matchAll(ONE_KEY)) {
      const key = KEYS[text.length === 1 ? text.toLowerCase() : text];
      if (key) press(key);
    }
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
