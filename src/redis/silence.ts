import type { Socket } from "node:net";
import { startInterval, type Timer } from "../lib/timer.ts";

/** Looks in every limit: a peer that falls silent is noticed no later than a quarter of it too late. */
const LOOKS = 4;

export interface SilenceOptions {
  /** What replies may come over, as far as there is a connection now. */
  readonly sockets: () => readonly Socket[];
  readonly limitMs: number;
  /** False while no reply is due: then silence is no sign of anything. Default: one always is. */
  readonly waits?: (() => boolean) | undefined;
  /** Called each time that nothing has moved for `limitMs`. */
  readonly onSilent: () => void;
  /** Called when a look finds progress. */
  readonly onMove?: (() => void) | undefined;
}

/**
 * Waits for a reply, however large and however slow the line: the limit is for how long nothing moves. Bytes that
 * come are progress, and bytes that leave as long as some were waiting to: what the system takes at once from a
 * socket with nothing waiting may never arrive.
 */
export class SilenceWatch {
  readonly #options: SilenceOptions;
  readonly #timer: Timer;
  #seen: readonly Traffic[];
  #quiet = 0;

  constructor(options: SilenceOptions) {
    this.#options = options;
    this.#seen = options.sockets().map(trafficOf);
    this.#timer = startInterval(options.limitMs / LOOKS, () => this.#look());
  }

  stop(): void {
    this.#timer.stop();
  }

  #look(): void {
    const { sockets, waits, onSilent, onMove } = this.#options;
    const before = this.#seen;
    this.#seen = sockets().map(trafficOf);
    const moved = this.#seen.some((now) => before.some((then) => hasMoved(then, now)));
    if (moved) onMove?.();
    this.#quiet = moved || waits?.() === false ? 0 : this.#quiet + 1;
    if (this.#quiet < LOOKS) return;
    this.#quiet = 0;
    onSilent();
  }
}

interface Traffic {
  readonly socket: Socket;
  readonly read: number;
  readonly sent: number;
  readonly unsent: number;
}

function trafficOf(socket: Socket): Traffic {
  // What libuv has yet to hand to the system; Node's own socket timeout goes by it, too.
  const handle = (socket as unknown as { _handle?: { writeQueueSize?: number } })._handle;
  const unsent = socket.writableLength + (handle?.writeQueueSize ?? 0);
  return { socket, read: socket.bytesRead, sent: socket.bytesWritten - unsent, unsent };
}

function hasMoved(before: Traffic, now: Traffic): boolean {
  if (before.socket !== now.socket) return false;
  return now.read > before.read || (before.unsent > 0 && now.sent > before.sent);
}
