#!/usr/bin/env bash
# Hostile servers before the real binary: endless banners, drips, a million lines, endless bodies, a gzip
# bomb. Its memory stays under 128 MiB and it ends within its deadlines; peaks and times are printed.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || { echo "python3 is missing: run \`apt-get install python3 python3-venv\`" >&2; exit 1; }
venv=target/foreign/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv" || { echo "run \`apt-get install python3-venv\`" >&2; exit 1; }
"$venv/bin/python" -c 'import aiosmtpd' 2>/dev/null || "$venv/bin/pip" install --quiet 'aiosmtpd==1.4.6' || {
  echo "aiosmtpd is missing: run \`pip install aiosmtpd\`" >&2
  exit 1
}
cargo build --quiet --locked --bin depeche
exec "$venv/bin/python" tests/hostile.py target/debug/depeche "$@"
