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
      'produce') path='produce' ;;
      'consume') path='consume' ;;
      'pending') path='pending' ;;
      'claim') path='claim' ;;
      'ack') path='ack' ;;
      'dlq') path='dlq' ;;
      'dlq list') path='dlq list' ;;
      'dlq show') path='dlq show' ;;
      'dlq replay') path='dlq replay' ;;
      'dlq purge') path='dlq purge' ;;
      'trim') path='trim' ;;
      'lag') path='lag' ;;
      'ls') path='ls' ;;
      'info') path='info' ;;
      'group') path='group' ;;
      'group create') path='group create' ;;
      'group set-id') path='group set-id' ;;
      'group destroy') path='group destroy' ;;
      'group consumers') path='group consumers' ;;
      'group forget-consumer') path='group forget-consumer' ;;
      'serve-metrics') path='serve-metrics' ;;
      'doctor') path='doctor' ;;
      'completion') path='completion' ;;
      'config') path='config' ;;
      'config show') path='config show' ;;
      'config init') path='config init' ;;
      'sandbox') path='sandbox' ;;
      'help') path='help' ;;
    esac
  done
  local words= flags= names=
  case $path in
    '')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words='produce consume pending claim ack dlq trim lag ls info group serve-metrics doctor completion config sandbox help'
      flags='-V --version -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config -h --help'
      names=
      ;;
    'produce')
      case $prev in
        --file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --input) COMPREPLY=($(compgen -W 'ndjson lines csv tsv entries' -- "$cur")); return ;;
        --schema) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --on-error) COMPREPLY=($(compgen -W 'stop skip' -- "$cur")); return ;;
        --rejects) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --field|--skip-lines|--max-line|--id|--id-field|--idempotency-key|--idempotency-ttl|--maxlen|--max-age|--partitions|--partition-by|--rate|--wait-lag|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--file --input --field --skip-lines --max-line --schema --on-error --rejects --id --id-field --keep-id --idempotency-key --idempotency-ttl --ids --no-create --maxlen --max-age --exact --keep-unread --partitions --partition-by --rate --wait-lag -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'consume')
      case $prev in
        --log) COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -g|--group|--consumer|--dlq|--emit|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --from|--to|--where|--group-start|--count|--idle-exit|--max-runtime|--field|--exec|-j|--jobs|--stdin|--batch|--batch-wait|--ahead|--timeout|--kill-after|--max-deliveries|--retry-delay|--retry-max-delay|--dead-on|--retry-on|--order-by|--rate|--pause-after|--dedupe|--dedupe-ttl|--claim-idle|--shutdown-timeout|--metrics-port|--metrics-host|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--from --to --reverse -f --follow --where -g --group --consumer --create-group --group-start --no-ack --count --until-empty --idle-exit --max-runtime --field --exec -j --jobs --stdin --batch --batch-wait --persistent --ahead --env-fields --tag --timeout --kill-after --max-deliveries --retry-delay --retry-max-delay --dead-on --retry-on --dlq --order-by --rate --pause-after --dedupe --dedupe-ttl --emit --delete --fail-on-dead --claim-idle --shutdown-timeout --log --metrics-port --metrics-host -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'pending')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -g|--group|--consumer|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --min-idle|--min-deliveries|--limit|--claim-idle|--retry-delay|--retry-max-delay|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-g --group --list --min-idle --consumer --min-deliveries --limit --payload --claim-idle --retry-delay --retry-max-delay -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'claim')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -g|--group|--to|--consumer|--from-consumer|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --min-idle|--min-deliveries|--limit|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-g --group --to --all --min-idle --consumer --min-deliveries --limit --from-consumer --count-delivery --drop-missing --dry-run -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'ack')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -g|--group|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-g --group --dry-run -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'dlq')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words='list show replay purge'
      flags='-h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=
      ;;
    'dlq list')
      case $prev in
        --layout) COMPREPLY=($(compgen -W 'auto native copied wrapped' -- "$cur")); return ;;
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --dlq|-g|--group|--by|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --since|--until|--reason|--where|--min-deliveries|--limit|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--dlq --since --until --reason -g --group --where --min-deliveries --limit --layout --oldest --by --fail-if-any -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'dlq show')
      case $prev in
        --layout) COMPREPLY=($(compgen -W 'auto native copied wrapped' -- "$cur")); return ;;
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --dlq|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--dlq --layout -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'dlq replay')
      case $prev in
        --layout) COMPREPLY=($(compgen -W 'auto native copied wrapped' -- "$cur")); return ;;
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --dlq|-g|--group|--to|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --since|--until|--reason|--where|--min-deliveries|--limit|--max-replays|--rate|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--all --dlq --since --until --reason -g --group --where --min-deliveries --limit --layout --dry-run --to --all-groups --keep --edit --max-replays --rate -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'dlq purge')
      case $prev in
        --layout) COMPREPLY=($(compgen -W 'auto native copied wrapped' -- "$cur")); return ;;
        --archive) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --dlq|-g|--group|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --since|--until|--reason|--where|--min-deliveries|--limit|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--all --dlq --since --until --reason -g --group --where --min-deliveries --limit --layout --dry-run --archive -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'trim')
      case $prev in
        --archive) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --maxlen|--max-age|--min-id|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--maxlen --max-age --min-id --exact --force --archive --dry-run --fail-if-held -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'lag')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw prometheus' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -g|--group|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --max-lag|--max-pending|--max-age|--count-limit|--timeout|--interval|--warn-lag|--crit-lag|--warn-pending|--crit-pending|--warn-age|--crit-age|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-g --group -o --output --max-lag --max-pending --max-age --count-limit --exact --wait --timeout --watch --interval --check --warn-lag --crit-lag --warn-pending --crit-pending --warn-age --crit-age -h --help --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'ls')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'info')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'group')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words='create set-id destroy consumers forget-consumer'
      flags='-h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=
      ;;
    'group create')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --at|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--at --mkstream --if-missing -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'group set-id')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --at|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--at --dry-run -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'group destroy')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--dry-run -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'group consumers')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -g|--group|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --dead-after|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-g --group --dead-after -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'group forget-consumer')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -g|--group|--claim-to|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --idle|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-g --group --claim-to --all-empty --idle --dry-run -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'serve-metrics')
      case $prev in
        --log) COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -g|--group|--profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --metrics-port|--metrics-host|--interval|--count-limit|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-g --group --metrics-port --metrics-host --interval --count-limit --log -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'doctor')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --dead-after|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--dead-after -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=yes
      ;;
    'completion')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words='bash zsh fish'
      flags='-h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=
      ;;
    'config')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words='show init'
      flags='-h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=
      ;;
    'config show')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=
      ;;
    'config init')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='-h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=
      ;;
    'sandbox')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        --listen|--set|-u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words=''
      flags='--listen --set -h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=
      ;;
    'help')
      case $prev in
        -o|--output) COMPREPLY=($(compgen -W 'table json ndjson csv raw' -- "$cur")); return ;;
        --password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cacert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sentinel-password-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --profile) compopt +o default 2>/dev/null; _streamctl_names; return ;;
        -u|--url|-H|--host|-p|--port|-n|--db|--user|--sni|--sentinel|--master|--sentinel-user|--connect-timeout|--command-timeout|--dlq-template) return ;;
      esac
      words='produce consume pending claim ack dlq trim lag ls info group serve-metrics doctor completion config sandbox connection configuration exit-codes formats handlers positions'
      flags='-h --help -o --output --json --no-color --wide -q --quiet -v --verbose -y --yes -u --url -H --host -p --port -n --db --user --password-file --askpass --tls --cacert --cert --key --sni --insecure --cluster --sentinel --master --sentinel-user --sentinel-password-file --connect-timeout --command-timeout --dlq-template --profile --config'
      names=
      ;;
  esac
  if [[ $cur == -* ]]; then words=$flags names=; fi
  local IFS=$' \n'
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ $names ]]; then _streamctl_names; fi
}
_streamctl_names() {
  # Bash splits orders:eu at the colon: what is typed is the line's last word, what it wants is what follows.
  local line=${COMP_LINE:0:COMP_POINT} name
  local typed=${line##*[[:space:]]}
  local kept=${typed%"$cur"}
  [[ $cur == : ]] && kept=$typed
  while IFS= read -r name; do
    COMPREPLY+=("${name#"$kept"}")
  done < <(streamctl __complete -- "$line" 2>/dev/null </dev/null)
}
complete -o default -F _streamctl streamctl
