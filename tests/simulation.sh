#!/usr/bin/env bash
# The real engine and the real journal through a million simulated events, from a seed that is printed.
#   bash tests/simulation.sh              DEPECHE_SIM_STEPS (1000000) from DEPECHE_SIM_SEED (random)
set -euo pipefail
cd "$(dirname "$0")/.."
export DEPECHE_SIM_STEPS="${DEPECHE_SIM_STEPS:-1000000}"
export DEPECHE_SIM_SEED="${DEPECHE_SIM_SEED:-$((RANDOM * 32768 + RANDOM))}"
echo "simulation: $DEPECHE_SIM_STEPS steps from seed $DEPECHE_SIM_SEED"
exec cargo test --release --quiet --locked -p depeche --test simulation -- --nocapture nobody_gets_two
