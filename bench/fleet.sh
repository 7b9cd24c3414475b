#!/usr/bin/env bash
# How much one journal on PostgreSQL carries: 1, 2 and 4 workers on this machine.
#   RECIPIENTS=1000 ROUNDS=3 CONNECTIONS=4 bash bench/fleet.sh
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --release --locked -p depeche-cli
export DEPECHE="${DEPECHE:-$PWD/target/release/depeche}"
exec bash tests/postgres.sh python3 bench/fleet.py
