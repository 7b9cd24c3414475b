#!/usr/bin/env bash
# What a journal on PostgreSQL takes for each message (write-ahead log, commits, disk), and how long a list takes to
# be frozen. Prints tables; with --write puts them into docs/scale.md. DEPECHE names a binary that is built already.
#   MESSAGES=5000 WORKERS=2 CONNECTIONS=4 SIZES="20000 100000" bash bench/wal.sh [--write]
set -euo pipefail
cd "$(dirname "$0")/.."
write=-
[ "${1:-}" != --write ] || write=docs/scale.md
[ -n "${DEPECHE:-}" ] || cargo build --quiet --release --locked -p depeche-cli
export DEPECHE="${DEPECHE:-$PWD/target/release/depeche}"
exec bash tests/postgres.sh python3 bench/wal.py "$write"
