#!/usr/bin/env bash
# A disk that is really full: the journal lies on a file system of its own, of eight megabytes, which is filled while
# a run is on the wire, and freed. Nothing is sent that the journal does not know, and `resume` finishes.
# Mounting needs root, or a user namespace; with neither this says so and fails, with what to run.
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
inside=("$venv/bin/python" tests/full_disk.py target/debug/depeche "$@")
# A namespace of its own: the mount is seen by nobody else and ends with the process.
if unshare --mount true 2>/dev/null; then
  exec unshare --mount "${inside[@]}"
elif unshare --user --map-root-user --mount true 2>/dev/null; then
  exec unshare --user --map-root-user --mount "${inside[@]}"
fi
echo "a file system cannot be mounted here: run \`sudo bash tests/full-disk.sh\`" >&2
exit 1
