#!/usr/bin/env bash
# Serves the providers' own strict API descriptions as mocks and sends a run of 50 journalists through
# each of our HTTP providers: every body must be one that its description allows. Fails when npm or the
# descriptions are missing, and on any violation. Prints the counts.
#
# The descriptions are outside the repository: DEPECHE_SHARED names the folder that holds
# reference/specs (by default ../shared, or ../../shared from a worktree).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() { echo "providers-mock: $*" >&2; exit 1; }

command -v npm >/dev/null || die "npm is missing; it installs the mock server"
command -v node >/dev/null || die "node is missing; it runs the mock server"

specs=
for root in "${DEPECHE_SHARED:-}" ../shared ../../shared; do
    if [ -n "$root" ] && [ -f "$root/reference/specs/brevo.strict.json" ]; then specs=$root/reference/specs; break; fi
done
[ -n "$specs" ] || die "reference/specs is not there; set DEPECHE_SHARED"
DEPECHE_SHARED=$(cd "$specs/../.." && pwd)
export DEPECHE_SHARED

prism_version=5.14.2
home=${CARGO_TARGET_DIR:-target}/providers-mock
mkdir -p "$home"
if [ "$(cat "$home/version" 2>/dev/null)" != "$prism_version" ]; then
    npm install --silent --no-audit --no-fund --prefix "$home" "@stoplight/prism-cli@$prism_version"
    echo "$prism_version" >"$home/version"
fi
prism=$home/node_modules/.bin/prism

started=()
end() { for one in "${started[@]}"; do kill "$one" 2>/dev/null || true; done; }
trap end EXIT

free_port() {
    node -e 'const s=require("net").createServer();s.listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'
}

# serve NAME SPEC: sets url to the mock's address once it listens.
serve() {
    local name=$1 spec=$2 port
    port=$(free_port)
    "$prism" mock -h 127.0.0.1 -p "$port" --errors "$spec" >"$home/$name.log" 2>&1 &
    started+=("$!")
    for _ in $(seq 1 240); do
        if grep -q "Prism is listening" "$home/$name.log"; then url=http://127.0.0.1:$port; return; fi
        kill -0 "${started[-1]}" 2>/dev/null || { tail -20 "$home/$name.log" >&2; die "the $name mock ended"; }
        sleep 0.5
    done
    die "the $name mock does not answer; see $home/$name.log"
}

# A mock that takes anything proves nothing: a misspelt field must be refused.
refuses() {
    local status
    status=$(node -e '
        const [url, headers, body] = process.argv.slice(1);
        fetch(url, {method: "POST", body, headers: {"content-type": "application/json", ...JSON.parse(headers)}})
            .then(answer => console.log(answer.status));' "$1" "$2" "$3")
    [ "$status" = 422 ] || die "$1 took a misspelt field (HTTP $status): the mock is not strict"
}

serve brevo "$specs/brevo.strict.json"
export DEPECHE_MOCK_BREVO=$url
serve mailchimp-transactional "$specs/mailchimp-transactional.strict.json"
export DEPECHE_MOCK_MAILCHIMP=$url
serve mailchimp-marketing "$specs/mailchimp-marketing.strict.json"
export DEPECHE_MOCK_MARKETING=$url

refuses "$DEPECHE_MOCK_BREVO/smtp/email" '{"api-key":"x"}' \
    '{"sender":{"email":"a@b.fr"},"to":[{"email":"c@d.fr"}],"subject":"x","htmlContent":"x","htmlcontent":"x"}'
refuses "$DEPECHE_MOCK_MAILCHIMP/messages/send-raw" '{}' '{"key":"x","raw_message":"x","rawmessage":"x"}'
refuses "$DEPECHE_MOCK_MARKETING/campaigns" '{"authorization":"Basic eDp5"}' '{"type":"regular","recipient":{}}'

cargo test --quiet -p depeche-providers --test http -- mock:: --nocapture --test-threads=1 | tee "$home/run.log"
runs=$(grep -c ' messages, 0 violations$' "$home/run.log" || true)
[ "$runs" = 6 ] || die "6 runs were to be made and $runs were"
echo "providers-mock: $runs runs, 0 violations"
