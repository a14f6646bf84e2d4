import { Cluster } from "ioredis";
import { Redis } from "./ioredis.ts";

type Answer = (error: Error | null | undefined, state?: string) => void;
type GetInfo = (this: Cluster, node: Redis | undefined, callback: Answer) => void;
type ReadyCheck = (this: Cluster, callback: Answer) => void;

/** Other nodes are asked before a cluster counts as not ready. */
const NODES_ASKED = 5;

const prototype = Cluster.prototype as unknown as { readyCheck: ReadyCheck; getInfoFromNode: GetInfo };
const { readyCheck, getInfoFromNode } = prototype;

/**
 * To read the slot table, ioredis makes a copy of a node's connection, and keeps to itself why that fails: it is told
 * as an error of the node.
 */
prototype.getInfoFromNode = function (node, callback) {
  if (!node) return getInfoFromNode.call(this, node, callback);
  const duplicate = (...args: Parameters<Redis["duplicate"]>): Redis => {
    const copy = Redis.prototype.duplicate.apply(node, args);
    copy.on("error", (error) => this.emit("node error", error));
    return copy;
  };
  Object.defineProperty(node, "duplicate", { value: duplicate, configurable: true });
  try {
    getInfoFromNode.call(this, node, callback);
  } finally {
    Reflect.deleteProperty(node, "duplicate");
  }
};

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
