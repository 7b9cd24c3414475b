#!/usr/bin/env bash
# The domain proof beside what nobody here wrote: pyspf on 500 records, the schema of SARIF, a reader of JUnit; and
# hostile DNS through the real binary. Peers come from PyPI and npm.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in python3 npm; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: run \`apt-get install $tool\`" >&2; exit 1; }
done
peers=target/foreign/domain
venv=$peers/venv
mkdir -p "$peers"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv" || { echo "run \`apt-get install python3-venv\`" >&2; exit 1; }
wanted='pyspf==2.0.14 dnspython==2.9.2 jsonschema==4.26.0 junitparser==5.0.3'
"$venv/bin/python" -c 'import spf, dns, jsonschema, junitparser' 2>/dev/null ||
  "$venv/bin/pip" install --quiet $wanted || {
  echo "peers are missing: run \`pip install $wanted\`" >&2
  exit 1
}
schema=$peers/package/lib/schemas/sarif-2.1.0-rtm.5.json
if [ ! -f "$schema" ]; then
  (cd "$peers" && npm pack --silent @microsoft/jest-sarif@1.0.0-beta.0 >/dev/null && tar xzf microsoft-jest-sarif-*.tgz) || {
    echo "the schema of SARIF is missing: run \`npm pack @microsoft/jest-sarif@1.0.0-beta.0\`" >&2
    exit 1
  }
fi
cargo build --quiet --locked --bin depeche
"$venv/bin/python" tests/foreign_spf.py target/debug/depeche
"$venv/bin/python" tests/foreign_reports.py target/debug/depeche "$schema"
"$venv/bin/python" tests/hostile_dns.py target/debug/depeche
