import { Cluster } from "ioredis";

type Answer = (error: Error | null | undefined, state?: string) => void;
type ReadyCheck = (this: Cluster, callback: Answer) => void;

/** Other nodes are asked before a cluster counts as not ready. */
const NODES_ASKED = 5;

const prototype = Cluster.prototype as unknown as { readyCheck: ReadyCheck };
const { readyCheck } = prototype;

/**
 * ioredis asks one node, at random, whether the cluster works, and when that one is down it begins to connect
 * anew, after a delay: with one node of three down that may take seconds. Another node is asked instead.
 */
prototype.readyCheck = function (callback) {
  const ask = (left: number): void => {
    readyCheck.call(this, (error, state) => {
      if (error && left > 1) ask(left - 1);
      else callback(error, state);
    });
  };
  ask(NODES_ASKED);
};

/** The class for clusters on its own: a run without one does not load it (see scripts/slim-packages.mjs). */
export { Cluster };
