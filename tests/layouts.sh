#!/usr/bin/env bash
# Pictures of every shipped release in headless Chromium, at 375 and 600 px, for people to look at:
#   bash tests/layouts.sh [FOLDER]      target/layouts when absent
# It fails when a page is wider than its window: a telephone would scroll sideways. On demand; the test command
# does not run it.
set -euo pipefail
cd "$(dirname "$0")/.."
chromium="$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)"
if [ -z "$chromium" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get install -y --no-install-recommends chromium >/dev/null
    chromium="$(command -v chromium)"
  else
    echo "chromium is missing: run \`apt-get install chromium\`" >&2
    exit 1
  fi
fi
cargo build --quiet --locked --bin depeche
folder="$(mkdir -p "${1:-target/layouts}" && cd "${1:-target/layouts}" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failed=0
for release in templates/*/*.md; do
  lang="$(basename "$(dirname "$release")")"
  name="$lang-$(basename "$release" .md)"
  target/debug/depeche --lang en release render "$release" --to contacts.example.csv --format html >"$work/$name.html"
  for width in 375 600; do
    # The window of a headless browser has a least width of its own; a frame has none. The title then
    # tells the width of the content.
    cat >"$work/frame.html" <<HTML
<!doctype html><meta charset="utf-8"><style>body{margin:0}iframe{border:0;display:block}</style>
<iframe id="frame" width="$width" height="1600" src="$name.html"></iframe>
<script>frame.onload = () => {
  const page = frame.contentDocument.documentElement;
  document.title = "width " + page.scrollWidth;
  frame.height = page.scrollHeight;
}</script>
HTML
    flags=(--headless=new --no-sandbox --disable-gpu --hide-scrollbars --allow-file-access-from-files --virtual-time-budget=3000)
    "$chromium" "${flags[@]}" --window-size="$width,2000" --screenshot="$folder/$name-$width.png" "file://$work/frame.html" >/dev/null 2>&1
    page="$("$chromium" "${flags[@]}" --dump-dom "file://$work/frame.html" 2>/dev/null)"
    seen="$(sed -n 's/.*<title>width \([0-9]*\)<\/title>.*/\1/p' <<<"$page" | head -1)"
    if [ "$seen" = "$width" ]; then
      echo "$name at $width px: fits, $folder/$name-$width.png"
    else
      echo "$name at $width px: the content is ${seen:-unknown} px wide" >&2
      failed=1
    fi
  done
done
exit "$failed"
