#!/usr/bin/env bash
# More journalists need no more memory: the real binary sends to 10 000 and to 24 000 (Postfix’s
# smtp-sink takes them), shows and reports; the largest resident size of each command is compared.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin
command -v smtp-sink >/dev/null || {
  export DEBIAN_FRONTEND=noninteractive
  [ "$(id -u)" != 0 ] || apt-get install -y --no-install-recommends postfix >/dev/null 2>&1 || true
  command -v smtp-sink >/dev/null || { echo "smtp-sink is missing: run \`apt-get install --no-install-recommends postfix\`" >&2; exit 1; }
}
command -v python3 >/dev/null || { echo "python3 is missing: run \`apt-get install python3\`" >&2; exit 1; }
cargo build --quiet --locked -p depeche-cli
exec python3 tests/memory.py target/debug/depeche
