/** More values than this one Lua call can't hand on: its stack ends at about 8,000. */
export const MAX_SCRIPT_VALUES = 7_900;
