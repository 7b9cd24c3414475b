#!/usr/bin/env bash
# How much one journal on PostgreSQL carries: 1, 2 and 4 workers on this machine. Prints a table; with --write puts
# it into docs/scale.md. DEPECHE names a binary that is built already.
#   RECIPIENTS=1000 ROUNDS=3 CONNECTIONS=4 bash bench/fleet.sh [--write]
set -euo pipefail
cd "$(dirname "$0")/.."
write=-
[ "${1:-}" != --write ] || write=docs/scale.md
[ -n "${DEPECHE:-}" ] || cargo build --quiet --release --locked -p depeche-cli
export DEPECHE="${DEPECHE:-$PWD/target/release/depeche}"
exec bash tests/postgres.sh python3 bench/fleet.py "$write"
