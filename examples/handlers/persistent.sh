#!/bin/sh
# One process per place, which stays: a line in for each entry, a word out. What it emits is that entry's output.
#   streamctl consume orders -g billing --persistent --emit billed --exec ./persistent.sh
while read -r entry; do
  id=${entry#*'"id":"'}
  id=${id%%'"'*}
  case $entry in
  *'"card":"declined"'*) echo "dead the card was declined" ;;
  *'"card":"busy"'*'"deliveries":1'*) echo "retry in 100ms the bank asks us to wait" ;;
  *)
    echo "emit billed $id"
    echo ok
    ;;
  esac
done
