/** The class for clusters on its own: a run without one does not load it (see scripts/slim-packages.mjs). */
export { Cluster } from "ioredis";
