#!/usr/bin/env bash
# Round trips a message on a warm connection: one connection through a proxy that holds every octet back for
# 20 ms each way, and beside it nodemailer's pool and smtp-source the same way. With --write puts the table into docs/performance.md.
#
#   bash bench/roundtrips.sh [--write]
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin
command -v smtp-sink >/dev/null || { echo "smtp-sink is missing: run \`apt-get install postfix\`" >&2; exit 1; }
for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done
[ -d target/bench/node_modules/nodemailer ] || npm install --silent --no-audit --no-fund --prefix target/bench nodemailer@7
[ -n "${DEPECHE:-}" ] || cargo build --release --quiet --locked -p depeche-cli
exec python3 bench/roundtrips.py ${1:+docs/performance.md}
