#!/usr/bin/env bash
# The real binary on a terminal (a pseudo-terminal of Python's): init asks and tests logins, send asks for the
# count, Ctrl-C drains and leaves, progress is drawn, colours can be turned off.
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
exec "$venv/bin/python" tests/terminal.py target/debug/depeche
