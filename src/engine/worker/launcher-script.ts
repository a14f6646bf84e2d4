/** The shell's exit code when it could not open an entry's input: nothing was run. */
export const NO_INPUT = 75;

/**
 * What a waiting shell executes: the arguments of /bin/sh.
 *
 * Control line on stdin: `input id deliveries timestamp stream`, or `input count - - stream` for a batch,
 * which may leave the stream out. After each run the shell writes its mark and the exit code to stdout, and
 * the mark to stderr and, for a batch, to fd 3, behind everything the handler wrote there.
 *
 * A command that stands in the loop's own text saves a fork: the subshell becomes its last program, where
 * `eval` would start one more. It may stand there when it is a whole program by itself, and reads the same
 * with a line end behind it. Otherwise the loop evaluates it.
 */
export function launcherArguments(command: string, serves: "entry" | "batch", mark: string): string[] {
  const evaluated = loop('eval "$__streamctl_command"', serves);
  if (/\$\$|\b(?:break|continue)\b/.test(command)) {
    // A subshell has its parent's `$$` and is inside its parent's loop, so such a command gets a shell of its own.
    const script = loop('exec /bin/sh -c "$__streamctl_command"', serves);
    return ["-c", `${START}${script}`, "sh", command, mark];
  }
  if (/\n|<<|\\$/.test(command)) return ["-c", `${START}${evaluated}`, "sh", command, mark];
  return ["-c", `${START}${CHOOSE}`, "sh", command, mark, loop(command, serves), evaluated];
}

const START = `
__streamctl_command=$1 __streamctl_mark=$2`;

const CHOOSE = `
if /bin/sh -n -c "$1" </dev/null >/dev/null 2>&1; then set -- "$3"; else set -- "$4"; fi
eval "$1"
`;

function loop(run: string, serves: "entry" | "batch"): string {
  const variables = {
    entry: `export STREAMCTL_ID="$__streamctl_a" STREAMCTL_DELIVERIES="$__streamctl_b"
    export STREAMCTL_TIMESTAMP="$__streamctl_c" STREAMCTL_STREAM="$__streamctl_d"`,
    batch: `export STREAMCTL_BATCH="$__streamctl_a"
    [ -z "$__streamctl_d" ] || export STREAMCTL_STREAM="$__streamctl_d"`,
  }[serves];
  return `
set --
while IFS=' ' read -r __streamctl_input __streamctl_a __streamctl_b __streamctl_c __streamctl_d; do
  [ -r "$__streamctl_input" ] || exit ${NO_INPUT}
  (
    ${variables}
    ${run}
  ) <"$__streamctl_input"
  __streamctl_status=$?
  printf '%s %s\\n' "$__streamctl_mark" "$__streamctl_status"
  printf '%s\\n' "$__streamctl_mark" >&2
  ${serves === "batch" ? `printf '%s\\n' "$__streamctl_mark" >&3` : ""}
done
`;
}
