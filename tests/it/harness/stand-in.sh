#!/bin/sh
# In the daemon's place, for the tests of the harness itself.
case "$3" in
run)
    trap 'echo "told to reload"' HUP
    trap 'exit 3' TERM
    echo "started with $2 and $EXTRA"
    while :; do sleep 0.05; done ;;
*)
    echo "{\"verb\": \"$3\", \"last\": \"$4\"}"
    echo "a word aside" >&2
    exit 2 ;;
esac
