#!/bin/sh
# Installs the Debian packages that tests use, or with "bench", "abuse" or "drill" those of the recipes
# of these names, when missing and when allowed to.
set -eu

missing=
want() {
    missing="$missing $1"
    echo "stentor: $1 is missing; without it these do not run: $2"
}
has() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }

load_client() {
    has cc || want gcc "the load client"
    [ -f /usr/include/stdio.h ] || want libc6-dev "the load client"
    [ -f /usr/include/openssl/ssl.h ] || want libssl-dev "the load client"
}

if [ "${1:-}" = abuse ]; then
    load_client
    has slowhttptest || want slowhttptest "the attacks of slowhttptest"
elif [ "${1:-}" = drill ]; then
    load_client
    has nginx || want nginx-light "the comparison with nginx"
    has hping3 || want hping3 "the SYN flood"
    has ip || want iproute2 "cases in a network of their own"
    has nft || want nftables "the kernel's shield"
elif [ "${1:-}" = bench ]; then
    load_client
    has icecast2 || want icecast2 "the comparison with Icecast"
    has nginx || want nginx-light "the comparison with nginx"
    has varnishd || want varnish "HLS through a cache"
else
    has chromium || want chromium "tests in a real browser"
    has ffmpeg || want ffmpeg "tests with a player that is not ours"
    has nft || want nftables "tests of the kernel's drop list"
    has ip || want iproute2 "tests in a network of their own"
    has curl || want curl "tests over HTTP/2"
    has mpg123 || want mpg123 "tests with a radio player"
    has mpv || want mpv "tests with a radio player"
    has cvlc || want "vlc-bin vlc-plugin-base" "tests with a radio player"
    has haproxy || want haproxy "tests behind a proxy"
    has varnishd || want varnish "tests of HLS through a cache"
    has gst-launch-1.0 || want gstreamer1.0-tools "tests with a player that is not ours"
    for kind in base good bad; do
        [ -e "/usr/share/doc/gstreamer1.0-plugins-$kind" ] ||
            want "gstreamer1.0-plugins-$kind" "tests with a player that is not ours"
    done
    [ -d /usr/share/asterisk/sounds/en_US_f_Allison ] ||
        want asterisk-core-sounds-en-wav "tests and benchmarks with recorded voices"
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "stentor: going on without; to have them all, as root: apt-get install$missing"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# Servers that come with a package are for the benchmark alone: none is started as a service.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
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
