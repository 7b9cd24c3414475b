#!/usr/bin/env bash
# Licences, bans and sources of every dependency, by cargo-deny (installed into target/ when missing).
# The advisory database is not fetched: it lives outside the package registries.
set -euo pipefail
cd "$(dirname "$0")/.."
deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
  deny=target/tools/bin/cargo-deny
  [ -x "$deny" ] || cargo install cargo-deny --locked --quiet --root target/tools || {
    echo "cargo-deny is missing: run \`cargo install cargo-deny --locked\`" >&2
    exit 1
  }
fi
"$deny" check licenses bans sources

# Who only checks domains builds no mail stack: nothing that sends, keeps a journal, renders or serves. (mail-auth brings
# mail-parser and mail-builder, the format of messages, with it.)
tree="$(cargo tree --locked -p depeche-domain -e normal --prefix none)"
grep -q '^mail-auth ' <<<"$tree" || { echo "depeche-domain: cargo tree said nothing of mail-auth" >&2; exit 1; }
if heavy="$(grep -E '^(lettre|sqlx|axum|minijinja|calamine|csv|governor|object_store|depeche(-[a-z]+)?) ' <<<"$tree" | grep -v '^depeche-domain ' | sort -u)" && [ -n "$heavy" ]; then
  echo "depeche-domain builds what it has no use for:" >&2
  echo "$heavy" >&2
  exit 1
fi
echo "depeche-domain: no mail stack among $(sort -u <<<"$tree" | wc -l) crates"
