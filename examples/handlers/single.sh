#!/bin/sh
# One run per entry; its word goes to fd 3.
#   streamctl consume orders -g billing --exec ./single.sh
read -r entry                       # {"stream":"orders","id":"…","fields":{…}}
case $entry in
*'"card":"declined"'*)
  echo "dead the card was declined" >&3
  exit
  ;;
*'"card":"busy"'*)
  if [ "$STREAMCTL_DELIVERIES" = 1 ]; then
    echo "retry in 100ms the bank asks us to wait" >&3
    exit
  fi
  ;;
esac
echo "billed $STREAMCTL_ID"
