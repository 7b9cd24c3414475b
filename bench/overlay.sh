#!/usr/bin/env bash
# A long run and what was told of it afterwards: time and memory of the reports that lay one over the other. The run is
# really sent, to Postfix's smtp-sink; the events are put into the journal's table by sqlite3, one or two for each
# recipient. Prints a table; with --write puts it into docs/performance.md. DEPECHE names another binary.
#
#   bash bench/overlay.sh [--write] [--recipients 100000]
set -euo pipefail
cd "$(dirname "$0")/.."
recipients=100000 write=
while [ $# -gt 0 ]; do
  case $1 in
    --write) write=docs/performance.md ;;
    --recipients) recipients=$2; shift ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
sink=$(command -v smtp-sink || echo /usr/sbin/smtp-sink)
[ -x "$sink" ] || { echo "smtp-sink is missing: run \`apt-get install postfix\`" >&2; exit 1; }
[ -n "${DEPECHE:-}" ] || cargo build --release --quiet --locked -p depeche-cli
exec python3 bench/overlay.py "${write:--}" "$recipients" "$sink"
