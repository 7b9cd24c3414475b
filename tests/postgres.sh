#!/usr/bin/env bash
# Runs a command with a PostgreSQL server of its own: bash tests/postgres.sh COMMAND…
#
# The server is a new cluster in a temporary folder, on a free port of 127.0.0.1, with its own fsync on; it is
# stopped and removed afterwards. The command finds it in DEPECHE_POSTGRES (the URL of the database
# `postgres`) and DEPECHE_PGDATA, DEPECHE_PGBIN, DEPECHE_PGUSER (to stop and start it: tests/fleet.py). It also
# speaks TLS, with a certificate for 127.0.0.1 and no name, from an authority of its own: DEPECHE_PGCA is its
# file, DEPECHE_PGOTHERCA that of another one.
set -euo pipefail

find_bin() {
  local initdb
  initdb=$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -1)
  [ -n "$initdb" ] && dirname "$(readlink -f "$initdb")"
}
bin=$(find_bin || true)
if [ -z "$bin" ] && [ "$(id -u)" = 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  install=(apt-get install -y --no-install-recommends postgresql)
  "${install[@]}" >/dev/null 2>&1 || { apt-get update >/dev/null 2>&1 && "${install[@]}" >/dev/null 2>&1; } || true
  bin=$(find_bin || true)
fi
if [ -z "$bin" ]; then
  echo "PostgreSQL is missing: run \`apt-get install postgresql\`" >&2
  exit 1
fi

folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
user=$(id -un)
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  # PostgreSQL refuses to run as root.
  user=postgres
  chown postgres "$folder"
  as() { setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$folder" "$@"; }
fi
stop() {
  as "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT

command -v openssl >/dev/null || {
  echo "openssl is missing: run \`apt-get install openssl\`" >&2
  exit 1
}
authority() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$folder/$1.key" -out "$folder/$1.pem" \
    -addext basicConstraints=critical,CA:TRUE 2>/dev/null
}
authority ca
authority other
openssl req -newkey rsa:2048 -nodes -subj /CN=postgres -keyout "$folder/server.key" -out "$folder/server.csr" 2>/dev/null
openssl x509 -req -in "$folder/server.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial -days 2 \
  -extfile <(printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n') -out "$folder/server.pem" 2>/dev/null
# PostgreSQL takes a key that its own user alone reads.
chmod 600 "$folder/server.key"
[ "$user" = postgres ] && chown postgres "$folder/server.key" "$folder/server.pem"

as "$bin/initdb" -D "$folder/data" -U depeche -A trust -E UTF8 --no-locale >/dev/null
cat >>"$folder/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
max_connections = 200
ssl = on
ssl_cert_file = '$folder/server.pem'
ssl_key_file = '$folder/server.key'
CONF
as "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w start >/dev/null || {
  cat "$folder/log" >&2
  exit 1
}
export DEPECHE_POSTGRES="postgres://depeche@127.0.0.1:$port/postgres"
export DEPECHE_PGDATA="$folder/data" DEPECHE_PGBIN="$bin" DEPECHE_PGUSER="$user"
export DEPECHE_PGCA="$folder/ca.pem" DEPECHE_PGOTHERCA="$folder/other.pem"
"$@"
