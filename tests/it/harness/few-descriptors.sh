#!/bin/sh
# The daemon where descriptors are few.
ulimit -n "$DESCRIPTORS" || exit 99
exec "$VENDORD" "$@"
