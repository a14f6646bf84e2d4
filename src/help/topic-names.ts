/** What `streamctl help TOPIC` tells of besides the commands. */
export const TOPICS = {
  connection: "which server, as whom, and the flags that say so",
  configuration: "files and profiles",
  environment: "a variable for every flag, and others that are read",
  exec: "what --exec commands get, and what their exit means",
  "exit-codes": "what scripts can go by",
  formats: "-o, and entries as JSON",
  positions: "IDs, times and ages; durations, sizes and counts",
} as const satisfies Record<string, string>;

export type Topic = keyof typeof TOPICS;

/** Other words for some. */
export const TOPIC_ALIASES: Readonly<Record<string, Topic>> = { handlers: "exec" };
