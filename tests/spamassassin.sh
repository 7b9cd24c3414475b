#!/usr/bin/env bash
# Every shipped release, as each example contact gets it, is scored by SpamAssassin (Debian) with its
# network rules off: 0 or below, or the test fails and shows the rules that hit.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v spamassassin >/dev/null; then
  install=(apt-get install -y --no-install-recommends spamassassin)
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    "${install[@]}" >/dev/null 2>&1 || { apt-get update >/dev/null 2>&1 && "${install[@]}" >/dev/null 2>&1; } || true
  fi
  command -v spamassassin >/dev/null || { echo "SpamAssassin is missing: run \`${install[*]}\`" >&2; exit 1; }
fi
cargo build --quiet --locked --bin depeche
out=target/spamassassin
rm -rf "$out"
failed=0
count=0
for release in templates/*/*.md; do
  folder=$out/$(echo "$release" | tr / -)
  target/debug/depeche --quiet send "$release" --to contacts.example.csv --outbox "$folder" --confirm 8 >/dev/null
  # One message of each release is enough: they differ in names only.
  message=$(find "$folder" -name '*.eml' | sort | head -1)
  verdict=$(spamassassin --local --test-mode <"$message" | sed -n 's/^X-Spam-Status: [A-Za-z]*, score=\([-0-9.]*\).*/\1/p' | head -1)
  count=$((count + 1))
  if ! awk -v score="${verdict:-99}" 'BEGIN { exit !(score <= 0) }'; then
    failed=$((failed + 1))
    echo "$release: score ${verdict:-none}" >&2
    spamassassin --local --test-mode <"$message" | sed -n '/Content analysis details/,$p' | head -40 >&2
  fi
done
echo "spamassassin: $((count - failed)) releases at 0 or below, $failed above"
[ "$failed" = 0 ]
