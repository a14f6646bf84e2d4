# bash completion for streamctl; made by: streamctl completion bash
_streamctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path= i
  COMPREPLY=()
  # Bash splits --output=json at the sign.
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ ${COMP_WORDS[i]} == -- ]] && return
    case "${path:+$path }${COMP_WORDS[i]}" in
      'completion') path='completion' ;;
      'sandbox') path='sandbox' ;;
    esac
  done
  local words= flags=
  case $path in
    '')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        -u|--url) return ;;
      esac
      words='completion sandbox'
      flags='-V --version -o --output --json --no-color -q --quiet -v --verbose -y --yes -u --url --cluster -h --help'
      ;;
    'completion')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        -u|--url) return ;;
      esac
      words='bash zsh fish'
      flags='-h --help -o --output --json --no-color -q --quiet -v --verbose -y --yes -u --url --cluster'
      ;;
    'sandbox')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --listen|--set|-u|--url) return ;;
      esac
      words=''
      flags='--listen --set -h --help -o --output --json --no-color -q --quiet -v --verbose -y --yes -u --url --cluster'
      ;;
  esac
  if [[ $cur == -* ]]; then words=$flags; fi
  local IFS=$' \n'
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _streamctl streamctl
