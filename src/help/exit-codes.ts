/** What every command exits with. */
export const EXIT_CODES = `Exit codes:
  0      done, or a clean stop on the first signal
  1      failed: a server error, or a bug
  2      usage: bad flags or bad input to a flag
  3      could not connect or authenticate, or lost the connection
  4      no such stream, group, consumer or entry
  5      partly done: some lines or entries were rejected
  6      a threshold was crossed, or a wait timed out
  7      outcome unknown: the connection died after sending
  128+n  ended by signal n before a clean stop`;
