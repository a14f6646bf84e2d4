export type Shell = "bash" | "zsh" | "fish";

/**
 * A shell's completion script. It knows nothing of commands and flags: at each Tab it asks `__complete` with the
 * line up to the cursor (see complete-run.ts for the answer).
 */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}

/** For bash ≥ 3.2; needs nothing else, not even the package bash-completion. */
const BASH = `# bash completion for streamctl; made by: streamctl completion bash
_streamctl() {
  local cur=\${COMP_WORDS[COMP_CWORD]} line=\${COMP_LINE:0:COMP_POINT} word
  local typed=\${line##*[[:space:]]}
  # Bash splits words at = and :, the program does not: what it offers is cut to what follows.
  [[ $cur == [=:] ]] && cur=
  local kept=\${typed%"$cur"}
  COMPREPLY=()
  while IFS= read -r word; do
    case $word in
      $'\\tfiles')
        compopt -o filenames 2>/dev/null
        while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
        ;;
      $'\\tnothing') compopt +o default 2>/dev/null ;;
      *)
        word=\${word%%$'\\t'*}
        word=\${word#"$kept"}
        # What is typed with quotes, the program has compared.
        if [[ $cur == *[\\\\\\'\\"]* || $word == "$cur"* ]]; then COMPREPLY+=("$word"); fi
        ;;
    esac
  done < <(streamctl __complete -- "$line" 2>/dev/null </dev/null)
}
complete -o default -F _streamctl streamctl
`;

/** For zsh's own completion system: a file named _streamctl on $fpath, or sourced after compinit. */
const ZSH = `#compdef streamctl
# zsh completion for streamctl; made by: streamctl completion zsh
_streamctl() {
  local each about=
  local -a offers
  local line="\${(j: :)words[1,CURRENT-1]} $PREFIX"
  # The value after --output= is a word of its own to the program.
  [[ $PREFIX == --*=* ]] && compset -P '*='
  for each in "\${(@f)$(streamctl __complete -- "$line" 2>/dev/null </dev/null)}"; do
    case $each in
      $'\\tfiles') _files; return ;;
      $'\\t'*|'') ;;
      *$'\\t'*)
        about=yes
        offers+=("\${\${each%%$'\\t'*}//:/\\\\:}:\${each#*$'\\t'}")
        ;;
      *) offers+=("$each") ;;
    esac
  done
  if [[ $about ]]; then _describe -V argument offers; else compadd -a offers; fi
}
if [[ $funcstack[1] == _streamctl ]]; then
  _streamctl "$@"
else
  compdef _streamctl streamctl
fi
`;

/** For fish ≥ 3.0. */
const FISH = `# fish completion for streamctl; made by: streamctl completion fish
function __streamctl_complete
    type -q streamctl; or return
    set -l token (commandline -ct)
    # The value after --output= is a word of its own to the program.
    set -l kept (string match -r -- '^--[^=]+=' "$token")
    for each in (streamctl __complete -- (commandline -cp | string collect) 2>/dev/null </dev/null)
        switch $each
            case \\tfiles
                printf "$kept%s\\n" (__fish_complete_path (string replace -- "$kept" '' "$token"))
            case \\t'*'
            case '*'
                echo "$kept$each"
        end
    end
end
complete -c streamctl -f -a '(__streamctl_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
