#!/usr/bin/env bash
# The systemd unit and the compose file of docs/ are what their readers take: systemd-analyze finds nothing in
# the unit (its binary replaced by the one that is built, and its user by one that is there), and the compose file
# fits the Compose specification's schema, as check-jsonschema (PyPI) ships it; every service is begun again when it
# ends, and waits for those that it needs to be healthy, by a check that they have. Neither is started here.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v systemd-analyze >/dev/null || { echo "systemd-analyze is missing: run \`apt-get install systemd\`" >&2; exit 1; }
command -v python3 >/dev/null || { echo "python3 is missing: run \`apt-get install python3 python3-venv\`" >&2; exit 1; }
venv=target/foreign/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv" || { echo "run \`apt-get install python3-venv\`" >&2; exit 1; }
[ -x "$venv/bin/check-jsonschema" ] || "$venv/bin/pip" install --quiet 'check-jsonschema==0.39.0' || {
  echo "check-jsonschema is missing: run \`pip install check-jsonschema\`" >&2
  exit 1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for unit in docs/*.service; do
  sed -e "s|^ExecStart=/usr/local/bin/depeche|ExecStart=$(command -v true)|" -e 's|^User=.*|User=root|' "$unit" >"$folder/${unit##*/}"
  said=$(systemd-analyze verify "$folder/${unit##*/}" 2>&1) && [ -z "$said" ] || { echo "$unit: $said" >&2; exit 1; }
done
"$venv/bin/check-jsonschema" --builtin-schema vendor.compose-spec docs/compose.yaml
"$venv/bin/python" - docs/compose.yaml <<'PY'
import sys
import ruamel.yaml

services = ruamel.yaml.YAML(typ="safe").load(open(sys.argv[1]))["services"]
for name, service in services.items():
    assert service.get("restart") in ("always", "unless-stopped"), f"{name} is not begun again when it ends"
    needed = service.get("depends_on", {})
    assert isinstance(needed, dict), f"{name} does not wait until {needed} can be used"
    for other, how in needed.items():
        assert how["condition"] == "service_healthy", f"{name} does not wait until {other} can be used"
        assert services[other]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), f"nothing tells whether {other} can be used"
assert services["worker"]["depends_on"] == {"journal": {"condition": "service_healthy"}}
# A worker is given the time that its unit gives it: longer than the answer to a final dot may take.
assert services["worker"]["stop_grace_period"] == "11m"
PY
