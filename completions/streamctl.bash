# bash completion for streamctl; made by: streamctl completion bash
_streamctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} line=${COMP_LINE:0:COMP_POINT} word
  local typed=${line##*[[:space:]]}
  # Bash splits words at = and :, the program does not: what it offers is cut to what follows.
  [[ $cur == [=:] ]] && cur=
  local kept=${typed%"$cur"}
  COMPREPLY=()
  while IFS= read -r word; do
    case $word in
      $'\tfiles')
        compopt -o filenames 2>/dev/null
        while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
        ;;
      $'\tnothing') compopt +o default 2>/dev/null ;;
      *)
        word=${word%%$'\t'*}
        word=${word#"$kept"}
        # What is typed with quotes, the program has compared.
        if [[ $cur == *[\\\'\"]* || $word == "$cur"* ]]; then COMPREPLY+=("$word"); fi
        ;;
    esac
  done < <(streamctl __complete -- "$line" 2>/dev/null </dev/null)
}
complete -o default -F _streamctl streamctl
