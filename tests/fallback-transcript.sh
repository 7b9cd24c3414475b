#!/usr/bin/env bash
# Runs a real fallback against two real mail servers (aiosmtpd, PyPI), the first of which is killed in
# the middle, then kills depeche itself, resumes, and writes the transcript to docs/fallback-run.md.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || { echo "python3 is missing: run \`apt-get install python3 python3-venv\`" >&2; exit 1; }
venv=target/foreign/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import aiosmtpd' 2>/dev/null || "$venv/bin/pip" install --quiet 'aiosmtpd==1.4.6'
cargo build --quiet --locked --bin depeche
exec "$venv/bin/python" tests/fallback_transcript.py target/debug/depeche docs/fallback-run.md
