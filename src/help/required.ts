import type { Option } from "commander";

const REQUIRED = new WeakSet<Option>();

/**
 * Marks a flag that its command can't do without. The command itself refuses without it, after the
 * environment and the configuration had their say; commander would do so before.
 */
export function required(option: Option): Option {
  REQUIRED.add(option);
  return option;
}

export function isRequired(option: Option): boolean {
  return REQUIRED.has(option);
}
