#!/usr/bin/env bash
# The machine burns: at the k-th message the process is killed and its folder deleted; a second folder
# with depeche.toml, the mirror's key and the mirror alone finishes the run. The receiving side judges.
# The mirror is a folder, and an object store behind HTTP (moto, from PyPI).
# Then a machine that burns while it forgets somebody in its mirror (tests/forget.py).
#   bash tests/burn.sh            every k of 100 (minutes)
#   bash tests/burn.sh --quick    a part of them, for the test command
set -euo pipefail
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || { echo "python3 is missing: run \`apt-get install python3 python3-venv\`" >&2; exit 1; }
venv=target/foreign/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv" || { echo "run \`apt-get install python3-venv\`" >&2; exit 1; }
"$venv/bin/python" -c 'import aiosmtpd' 2>/dev/null || "$venv/bin/pip" install --quiet 'aiosmtpd==1.4.6' || {
  echo "aiosmtpd is missing: run \`pip install aiosmtpd\`" >&2
  exit 1
}
"$venv/bin/python" -c 'import moto.server' 2>/dev/null || "$venv/bin/pip" install --quiet 'moto[server]==5.2.1' || {
  echo "moto is missing: run \`pip install 'moto[server]'\`" >&2
  exit 1
}
cargo build --quiet --locked --bin depeche
"$venv/bin/python" tests/burn.py target/debug/depeche "$@"
"$venv/bin/python" tests/forget.py target/debug/depeche "$@"
