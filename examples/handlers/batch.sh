#!/bin/sh
# One run for up to N entries; what fd 3 says nothing of goes by the exit code.
#   streamctl consume orders -g billing --batch 100 --exec ./batch.sh
while read -r entry; do
  id=${entry#*'"id":"'}
  id=${id%%'"'*}
  case $entry in
  *'"card":"declined"'*) echo "$id dead the card was declined" >&3 ;;
  *'"card":"busy"'*'"deliveries":1'*) echo "$id retry in 100ms the bank asks us to wait" >&3 ;;
  *) echo "billed $id" ;;
  esac
done
