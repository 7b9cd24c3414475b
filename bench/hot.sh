#!/usr/bin/env bash
# The hot parts of a run alone, by divan: rendering, MIME, re-reading, DKIM, contacts, SPF, the journal's commits
# (crates/depeche/benches/hot.rs). Prints divan's table; with --write puts it into docs/performance.md.
#
#   bash bench/hot.sh [--write] [--profile dev] [FILTER]
set -euo pipefail
cd "$(dirname "$0")/.."
write=- profile=bench filter=()
while [ $# -gt 0 ]; do
  case $1 in
    --write) write=docs/performance.md ;;
    --profile) profile=$2; shift ;;
    -*) echo "unknown option $1" >&2; exit 2 ;;
    *) filter+=("$1") ;;
  esac
  shift
done
out=$(mktemp)
trap 'rm -f "$out"' EXIT
cargo bench --quiet --locked -p depeche --bench hot --profile "$profile" -- "${filter[@]}" >"$out"
python3 bench/hot.py "$out" "$write"
