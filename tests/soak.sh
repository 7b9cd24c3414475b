#!/usr/bin/env bash
# A long run with one fault of every kind in a hundred messages: memory and open files stay flat.
#   bash tests/soak.sh [RECIPIENTS (20000)]        DEPECHE_SOAK_SEED (random; printed)
#   bash tests/soak.sh --quick                     4000 recipients and a debug build, for the test command
set -euo pipefail
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || { echo "python3 is missing: run \`apt-get install python3\`" >&2; exit 1; }
seed=${DEPECHE_SOAK_SEED:-$((RANDOM * 32768 + RANDOM))}
if [ "${1:-}" = --quick ]; then
  cargo build --quiet --locked --bin depeche
  exec python3 tests/soak.py target/debug/depeche 4000 "$seed"
fi
cargo build --quiet --release --locked --bin depeche
exec python3 tests/soak.py target/release/depeche "${1:-20000}" "$seed"
