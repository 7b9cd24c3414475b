#!/usr/bin/env bash
# Whether BDAT (CHUNKING, RFC 3030) would be better than what depeche does over SMTP: the same messages on one warm
# connection to Debian's Postfix, on loopback and through a line that adds 20 ms each way, with DATA pipelined
# behind the terminator of the one before, and with BDAT LAST. A client of its own, in Python: it measures the
# protocol, not depeche. Prints a table; with --write puts it into docs/performance.md.
#
#   bash bench/bdat.sh [--write] [--messages 300] [--rounds 5]
set -euo pipefail
cd "$(dirname "$0")/.."
messages=300 rounds=5 write=
while [ $# -gt 0 ]; do
  case $1 in
    --write) write=docs/performance.md ;;
    --messages) messages=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
if ! [ -x /usr/sbin/postfix ]; then
  export DEBIAN_FRONTEND=noninteractive
  [ "$(id -u)" != 0 ] || apt-get install -y --no-install-recommends postfix >/dev/null 2>&1 || true
  [ -x /usr/sbin/postfix ] || { echo "Postfix is missing: run \`apt-get install --no-install-recommends postfix\`" >&2; exit 1; }
fi
[ "$(id -u)" = 0 ] || { echo "Postfix starts as root only: run \`sudo bash bench/bdat.sh\`" >&2; exit 1; }
exec python3 bench/bdat.py "$messages" "$rounds" "${write:--}"
