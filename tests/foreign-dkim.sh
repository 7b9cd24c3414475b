#!/usr/bin/env bash
# What depeche signs is verified by another implementation (dkimpy, PyPI), after a real SMTP server
# (aiosmtpd, PyPI) has taken it; and what dkimpy signs is verified by depeche. Keys are made by OpenSSL.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in python3 openssl; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: run \`apt-get install $tool\`" >&2; exit 1; }
done
venv=target/foreign/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv" || { echo "run \`apt-get install python3-venv\`" >&2; exit 1; }
"$venv/bin/python" -c 'import aiosmtpd, authres, dkim, nacl' 2>/dev/null ||
  "$venv/bin/pip" install --quiet 'aiosmtpd==1.4.6' 'dkimpy==1.1.8' 'pynacl==1.5.0' 'authres==1.2.0' || {
  echo "dkimpy is missing: run \`pip install aiosmtpd dkimpy pynacl authres\`" >&2
  exit 1
}
cargo build --quiet --locked --bin depeche
"$venv/bin/python" tests/foreign_dkim.py target/debug/depeche
"$venv/bin/python" tests/foreign_dkim_read.py target/debug/depeche
"$venv/bin/python" tests/foreign_odd.py target/debug/depeche
