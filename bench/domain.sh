#!/usr/bin/env bash
# Checks one domain and 200 domains, beside checkdmarc (PyPI), over one DNS server on loopback that holds every answer
# back for 20 ms: questions, round trips deep, seconds. With --write puts the table into docs/performance.md.
#
#   bash bench/domain.sh [--write]        PROFILE=dev takes the debug build, and says so
set -euo pipefail
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || { echo "python3 is missing: run \`apt-get install python3 python3-venv\`" >&2; exit 1; }
venv=target/foreign/checkdmarc
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import checkdmarc' 2>/dev/null || "$venv/bin/pip" install --quiet 'checkdmarc==6.0.4' || {
  echo "checkdmarc is missing: run \`pip install checkdmarc==6.0.4\`" >&2
  exit 1
}
profile=${PROFILE:-release}
cargo build --profile "$profile" --quiet --locked -p depeche-cli
exec "$venv/bin/python" bench/domain.py "target/${profile/dev/debug}/depeche" ${1:+docs/performance.md}
