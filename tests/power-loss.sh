#!/usr/bin/env bash
# The power goes at every system call of a five-recipient run, and again while the run is resumed: what
# was not synced is lost, kept or torn. The real binary then resumes from each disk.
#   bash tests/power-loss.sh                   every disk (minutes)
#   bash tests/power-loss.sh --quick           250 of them, for the test command
#   bash tests/power-loss.sh --seed=N          the disks of an earlier run again
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v strace >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get install -y --no-install-recommends strace >/dev/null 2>&1 ||
      { apt-get update >/dev/null 2>&1 && apt-get install -y --no-install-recommends strace >/dev/null 2>&1; } || true
  fi
  command -v strace >/dev/null || { echo "strace is missing: run \`apt-get install strace\`" >&2; exit 1; }
fi
command -v python3 >/dev/null || { echo "python3 is missing: run \`apt-get install python3 python3-venv\`" >&2; exit 1; }
venv=target/foreign/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv" || { echo "run \`apt-get install python3-venv\`" >&2; exit 1; }
"$venv/bin/python" -c 'import aiosmtpd' 2>/dev/null || "$venv/bin/pip" install --quiet 'aiosmtpd==1.4.6' || {
  echo "aiosmtpd is missing: run \`pip install aiosmtpd\`" >&2
  exit 1
}
cargo build --quiet --locked --bin depeche
exec "$venv/bin/python" tests/power_loss.py target/debug/depeche "$@"
