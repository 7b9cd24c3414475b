#!/usr/bin/env bash
# How fast a release goes out, beside the peers, in one run: the same sink, the same list, alternating,
# the median of several. Prints a table of ratios, and with --write puts it into docs/performance.md.
#
#   bash bench/send.sh [--write] [--messages N] [--rounds N]
#
# Peers: nodemailer (npm, its pool), smtp-source (Postfix: one canned message, no journal, no
# rendering: the nearest thing to the limit), aiosmtplib and mailmerge (PyPI; mailmerge makes a connection a
# message). The sink is Postfix's smtp-sink.
# depeche runs with its journal fsynced before every message, as always.
set -euo pipefail
cd "$(dirname "$0")/.."
messages=2000 rounds=3 write=
while [ $# -gt 0 ]; do
  case $1 in
    --write) write=docs/performance.md ;;
    --messages) messages=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
export PATH=$PATH:/usr/sbin
command -v smtp-sink >/dev/null || {
  if [ "$(id -u)" = 0 ]; then DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postfix >/dev/null 2>&1 || true; fi
  command -v smtp-sink >/dev/null || { echo "smtp-sink is missing: run \`apt-get install postfix\`" >&2; exit 1; }
}
for tool in node npm python3 openssl; do
  command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done
home=target/bench
mkdir -p "$home"
[ -d "$home/node_modules/nodemailer" ] || npm install --silent --no-audit --no-fund --prefix "$home" nodemailer@7
[ -x "$home/venv/bin/python" ] || python3 -m venv "$home/venv"
"$home/venv/bin/python" -c 'import aiosmtplib' 2>/dev/null || "$home/venv/bin/pip" install --quiet aiosmtplib
[ -x "$home/venv/bin/mailmerge" ] || "$home/venv/bin/pip" install --quiet mailmerge
# DEPECHE names a binary that is built already.
[ -n "${DEPECHE:-}" ] || cargo build --release --quiet --locked -p depeche-cli
exec python3 bench/send.py "$home" "$messages" "$rounds" ${write:+"$write"}
