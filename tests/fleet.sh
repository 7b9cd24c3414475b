#!/usr/bin/env bash
# Faults of a fleet: several workers on one PostgreSQL, killed, stopped for longer than a lease, with clocks an
# hour off; the server killed and restarted; a run paused and cancelled; a shared budget; a rest told to one,
# by 421 and by 429 with its reset; every connection cut at random octets (SEED=… says where); a list of 100 000
# enqueued while others are sent.
# What counts is what the receiving side saw: at most one copy each, and everybody in one true state.
#
#   bash tests/fleet.sh [--quick] [SCENARIO…]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --locked -p depeche-cli
exec bash tests/postgres.sh python3 tests/fleet.py "$@"
