#!/usr/bin/env bash
# Long lists: time and memory of reading, planning, freezing (no provider listens), showing and reporting at
# 100 000 and 1 000 000 contacts, and whether they are linear. Also how long depeche takes to start. Prints tables; with --write puts them into docs/performance.md.
#
#   bash bench/contacts.sh [--write] [--sizes "100000 1000000"]
set -euo pipefail
cd "$(dirname "$0")/.."
sizes="100000 1000000" write=
while [ $# -gt 0 ]; do
  case $1 in
    --write) write=docs/performance.md ;;
    --sizes) sizes=$2; shift ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
# DEPECHE names a binary that is built already.
[ -n "${DEPECHE:-}" ] || cargo build --release --quiet --locked -p depeche-cli
# shellcheck disable=SC2086 # the sizes are words
exec python3 bench/contacts.py "${write:--}" $sizes
