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
