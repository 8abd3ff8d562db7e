#!/bin/sh
# Installs the Debian packages that tests and benchmarks use, when missing and when allowed to.
set -eu

missing=
want() {
    missing="$missing $1"
    echo "stentor: $1 is missing; without it these do not run: $2"
}

command -v chromium >/dev/null || want chromium "tests in a real browser"
command -v ffmpeg >/dev/null || want ffmpeg "tests with a player that is not ours"
[ -d /usr/share/asterisk/sounds/en_US_f_Allison ] ||
    want asterisk-core-sounds-en-wav "tests and benchmarks with recorded voices"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "stentor: going on without; to have them all, as root: apt-get install$missing"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086
if { apt-get update && apt-get install --yes --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
    rm -f "$log"
    echo "stentor: installed$missing"
    exit 0
fi
tail -n 20 "$log" >&2
rm -f "$log"
echo "stentor: apt-get could not install$missing" >&2
# At a desk work goes on without them; a check that must be complete does not.
[ "${CI:-}" != true ]
