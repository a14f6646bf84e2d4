import { hostname, userInfo } from "node:os";

/** Who runs this, for people: `user@host`. */
export function userAtHost(env: Readonly<Record<string, string | undefined>>): string {
  return `${userName(env)}@${hostname()}`;
}

function userName(env: Readonly<Record<string, string | undefined>>): string {
  // Who became another user is told by sudo.
  const known = env["SUDO_USER"] ?? env["USER"] ?? env["LOGNAME"];
  if (known !== undefined && known !== "") return known;
  try {
    return userInfo().username;
  } catch {
    // In a container a user may have no name.
    return "unknown";
  }
}
