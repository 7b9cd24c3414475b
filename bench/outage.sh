#!/usr/bin/env bash
# What an outage costs a press office, for real: the first provider fails at recipient 40 of 400, once by taking
# no connection and once by saying nothing more. The goal: the detection (20 s), plus the rest at the spare's
# limit, plus 5 s, and tier 1 complete first. Exits 1 when the goal is missed. The same in simulated time:
# cargo test -p depeche --test simulation outage. With --write the table goes into docs/performance.md;
# DEPECHE names a binary that is built already.
#
#   bash bench/outage.sh [--write]
set -euo pipefail
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || { echo "python3 is missing" >&2; exit 1; }
[ -n "${DEPECHE:-}" ] || cargo build --release --quiet --locked -p depeche-cli
exec python3 bench/outage.py ${1:+docs/performance.md}
