/** Gives items in their order, each time beginning one further on: so each of them is first in its turn. */
export class Rotation {
  #turn = 0;

  next<T>(items: readonly T[]): T[] {
    const at = this.#turn++ % Math.max(1, items.length);
    return [...items.slice(at), ...items.slice(0, at)];
  }
}
