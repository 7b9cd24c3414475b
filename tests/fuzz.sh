#!/usr/bin/env bash
# Coverage-guided fuzzing of everything that reads what a stranger wrote (libFuzzer by cargo-fuzz, on the
# stable toolchain: coverage without a sanitizer, overflow checks and debug assertions on).
#   bash tests/fuzz.sh [SECONDS_EACH (60)] [TARGET…]      prints the seed; a crash is kept under fuzz/artifacts
# A crash found becomes a test of the crate concerned.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
tools=target/tools
[ -x "$tools/bin/cargo-fuzz" ] || cargo install --quiet --locked --root "$tools" cargo-fuzz@0.13.2 || {
  echo "cargo-fuzz is missing: run \`cargo install cargo-fuzz\`" >&2
  exit 1
}
export PATH="$PWD/$tools/bin:$PATH"
if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(cargo fuzz list); fi
seed=${DEPECHE_FUZZ_SEED:-$((RANDOM * 32768 + RANDOM))}
echo "fuzz: ${#targets[@]} targets, $seconds s each, seed $seed"
# --release leaves the profile of fuzz/Cargo.toml in charge of debug assertions.
cargo fuzz build --release --sanitizer none
for target in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$target"
  seeds=()
  [ -d "fuzz/seeds/$target" ] && seeds=("fuzz/seeds/$target")
  log=$(mktemp)
  # A log of every input would drown the summary; it is shown when the target fails.
  if ! cargo fuzz run --release --sanitizer none "$target" "fuzz/corpus/$target" "${seeds[@]}" -- \
    -seed="$seed" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 >"$log" 2>&1; then
    tail -n 60 "$log"
    echo "fuzz: $target failed with seed $seed" >&2
    exit 1
  fi
  printf '%-14s %s runs, %s of coverage, %s MiB at most\n' "$target" \
    "$(sed -n 's/.*number_of_executed_units: *//p' "$log")" \
    "$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)" \
    "$(sed -n 's/.*peak_rss_mb: *//p' "$log")"
  rm "$log"
done
echo "fuzz: ${#targets[@]} targets, no crash"
