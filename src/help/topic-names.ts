/** What `streamctl help TOPIC` tells of besides the commands. */
export const TOPICS = {
  connection: "which server, as whom, and the flags that say so",
  configuration: "files, profiles, and a variable for every flag",
  "exit-codes": "what scripts can go by",
  formats: "-o, and entries as JSON",
  handlers: "what --exec commands get, and what their exit means",
  positions: "IDs, times and ages; durations, sizes and counts",
} as const satisfies Record<string, string>;

export type Topic = keyof typeof TOPICS;
