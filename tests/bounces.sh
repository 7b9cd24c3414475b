#!/usr/bin/env bash
# Real reports: a Postfix of Debian's bounces what the real binary sends, Dovecot's IMAP (or a file) gives the
# reports back, and `depeche sync` finds each message by ENVID, by the envelope's sender and by Message-ID.
# Both run from folders of their own on loopback ports; the machine's own configuration is not read.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! [ -x /usr/sbin/postfix ] || ! [ -x /usr/sbin/dovecot ]; then
  install=(apt-get install -y --no-install-recommends postfix dovecot-imapd)
  export DEBIAN_FRONTEND=noninteractive
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    "${install[@]}" >/dev/null 2>&1 || { apt-get update >/dev/null 2>&1 && "${install[@]}" >/dev/null 2>&1; } || true
  fi
  [ -x /usr/sbin/postfix ] && [ -x /usr/sbin/dovecot ] || {
    echo "Postfix or Dovecot is missing: run \`${install[*]}\`" >&2
    exit 1
  }
fi
[ "$(id -u)" = 0 ] || { echo "Postfix starts as root only: run \`sudo bash tests/bounces.sh\`" >&2; exit 1; }
command -v python3 >/dev/null || { echo "python3 is missing: run \`apt-get install python3\`" >&2; exit 1; }
cargo build --quiet --locked --bin depeche
exec python3 tests/bounces.py target/debug/depeche
