#!/usr/bin/env bash
# Everything that is measured, beside everybody it is measured with, in one run: installs the peers (nodemailer,
# aiosmtplib, mailmerge, Postfix's smtp-sink and smtp-source, and what bench/domain.sh needs), alternates,
# takes medians, and puts the tables with date, commit and machine into the pages under docs/. The machine
# should do nothing else: the load before and after is printed.
#
#   bash bench/all.sh            print
#   bash bench/all.sh --write    put the tables into docs/performance.md and docs/scale.md
#   DEPECHE=target/debug/depeche bash bench/all.sh    another binary than the release build; without the benches of the hot parts
#   MESSAGES=5000 ROUNDS=7 SIZES="100000 1000000" bash bench/all.sh
set -euo pipefail
cd "$(dirname "$0")/.."
write=
[ "${1:-}" = --write ] && write=--write
printf 'load before: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
failed=
part() {
  printf '\n== %s\n' "$*"
  "$@" || failed="$failed $2"
}
part bash bench/send.sh ${write:+$write} --messages "${MESSAGES:-5000}" --rounds "${ROUNDS:-5}"
part bash bench/roundtrips.sh ${write:+$write}
part bash bench/contacts.sh ${write:+$write} --sizes "${SIZES:-100000 1000000}"
part bash bench/outage.sh ${write:+$write}
part bash bench/bdat.sh ${write:+$write}
part bash bench/fleet.sh ${write:+$write}
part bash bench/wal.sh ${write:+$write}
[ -n "${DEPECHE:-}" ] || part bash bench/hot.sh ${write:+$write}
[ ! -f bench/domain.sh ] || part bash bench/domain.sh ${write:+$write}
printf '\nload after: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
[ -z "$failed" ] || { echo "did not end well:$failed" >&2; exit 1; }
