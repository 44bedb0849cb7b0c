#!/bin/sh
# See that there is a Chromium for the browser tests: tools/chromium.sh PLAYWRIGHT
# Never fails: without one those tests skip and say so.
set -u
playwright=$1

have() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && return 0
    done
    [ -n "$(find "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}" \
        -maxdepth 1 -name 'chromium*' 2>/dev/null)" ]
}

# Playwright's own node needs a library that a bare system lacks
ready() {
    have && "$playwright" --version >/dev/null 2>&1
}

ready && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Chromium for the browser tests"
    fetch="-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get update $fetch >/dev/null 2>&1 &&
        apt-get install -y $fetch --no-install-recommends chromium fonts-dejavu-core libatomic1 \
            >/dev/null 2>&1
    ready && exit 0
fi
have && exit 0
timeout 300 "$playwright" install chromium >/dev/null 2>&1
have || echo "no Chromium to be had: the browser tests will be skipped" >&2
exit 0
