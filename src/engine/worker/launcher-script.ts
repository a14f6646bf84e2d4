/** How a shell answers in place of an exit code: it could not open the run's files, so nothing was run. */
export const UNOPENED = "-";

export interface ScriptPaths {
  readonly stdout: string;
  readonly stderr: string;
  /** Where a batch's fd 3 goes. */
  readonly results: string | undefined;
}

/**
 * What a waiting shell executes: the arguments of /bin/sh. Its fd 3 is the channel to the worker.
 *
 * A line in: `nonce input id deliveries timestamp [stream]`, without the stream when it is the last one's; or
 * `nonce input count - - [stream]` for a batch, without it when there are several. A shell reads a line byte
 * by byte, so every byte costs. A line out for each: `nonce code`. The run has its own stdin, stdout and stderr
 * from the first to the last of its commands, and neither the channel nor the nonce: nothing it does or
 * prints can pass for an answer.
 *
 * A command that stands in the loop's own text saves a fork: the subshell becomes its last program, where
 * `eval` would start one more. It may stand there when it is a whole program by itself (which `whole` says),
 * and reads the same with a line end behind it. Otherwise the loop evaluates it.
 */
export function launcherArguments(command: string, whole: boolean, paths: ScriptPaths): string[] {
  const args = (run: string): string[] => ["-c", script(run, paths), "sh", command];
  // A subshell has its parent's `$$` and is inside its parent's loop, so such a command gets a shell of its own.
  if (/\$\$|\b(?:break|continue)\b/.test(command)) return args('exec /bin/sh -c "$__streamctl_command"');
  if (!whole || /\n|<<|\\$/.test(command)) return args('eval "$__streamctl_command"');
  return args(command);
}

function script(run: string, { stdout, stderr, results }: ScriptPaths): string {
  const variables =
    results === undefined
      ? `export STREAMCTL_ID="$__streamctl_a" STREAMCTL_DELIVERIES="$__streamctl_b"
      export STREAMCTL_TIMESTAMP="$__streamctl_c" STREAMCTL_STREAM="$__streamctl_stream"`
      : `export STREAMCTL_BATCH="$__streamctl_a"
      [ -z "$__streamctl_d" ] || export STREAMCTL_STREAM="$__streamctl_d"`;
  // What came with the environment would be exported on.
  return `
unset ${VARIABLES}
__streamctl_command=$1
set --
while IFS=' ' read -r __streamctl_nonce __streamctl_input \\
  __streamctl_a __streamctl_b __streamctl_c __streamctl_d <&3
do
  __streamctl_stream=\${__streamctl_d:-$__streamctl_stream}
  __streamctl_status=${UNOPENED}
  {
    (
      unset __streamctl_nonce
      ${variables}
      ${run}
    ) ${results === undefined ? "3>&-" : "3>&4 4>&-"}
    __streamctl_status=$?
  } <"$__streamctl_input" >${stdout} 2>${stderr} ${results === undefined ? "" : `4>${results}`}
  printf '%s %s\\n' "$__streamctl_nonce" "$__streamctl_status" >&3
done
`;
}

const VARIABLES = ["command", "nonce", "input", "a", "b", "c", "d", "stream", "status"]
  .map((name) => `__streamctl_${name}`)
  .join(" ");
