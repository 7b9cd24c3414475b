#!/usr/bin/env bash
# The same faults for depeche and for what else falls back from one provider to the next: Symfony Mailer's
# failover (Debian), Upyo's pool (npm), polymail (crate). Prints a table; with --write puts it into
# docs/reliability.md. Minutes, on demand.
#   bash tests/peer-faults.sh [--write]
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in python3 node npm; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: run \`apt-get install $tool\`" >&2; exit 1; }
done
symfony=/usr/share/php/Symfony/Component/Mailer/autoload.php
if ! { command -v php >/dev/null && [ -f "$symfony" ]; }; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends php-cli php-symfony-mailer >/dev/null 2>&1 ||
      { apt-get update >/dev/null 2>&1 && apt-get install -y --no-install-recommends php-cli php-symfony-mailer >/dev/null 2>&1; } || true
  fi
  { command -v php >/dev/null && [ -f "$symfony" ]; } ||
    { echo "Symfony Mailer is missing: run \`apt-get install php-cli php-symfony-mailer\`" >&2; exit 1; }
fi
home=target/peers
mkdir -p "$home"
cp tests/peers/package.json tests/peers/upyo.mjs "$home/"
# Upyo's packages ask for versions of each other that the registry does not have together.
npm install --silent --no-audit --no-fund --legacy-peer-deps --prefix "$home" ||
  { echo "Upyo is missing: run \`npm install --legacy-peer-deps @upyo/core @upyo/pool @upyo/smtp\`" >&2; exit 1; }
cargo build --quiet --manifest-path tests/peers/polymail/Cargo.toml --target-dir "$home/polymail"
cargo build --quiet --locked --bin depeche
version() { node -p "require('./$home/node_modules/@upyo/$1/package.json').version"; }
words="$(date -u +%F), commit $(git rev-parse --short HEAD): Symfony Mailer $(dpkg-query -W -f '${Version}' php-symfony-mailer), Upyo pool $(version pool), polymail 0.1.7; 100 recipients, time-outs of 2 s."
exec python3 tests/peer_faults.py "$home" target/debug/depeche ${1:+"$1" docs/reliability.md "$words"}
