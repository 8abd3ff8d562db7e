#!/bin/sh
# Brings .venv in line with the locks named as arguments: `scripts/setup.sh run`, `scripts/setup.sh test demo`.
# Does nothing, at once, when they are installed already.
set -eu
cd "$(dirname "$0")/.."
venv=.venv

fail() {
    echo "stentor: $*" >&2
    exit 1
}

fits() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for name in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
        if fits "$name"; then
            echo "$name"
            return
        fi
    done
    fail "Python 3.11 or newer is needed and none was found; on Debian: apt install python3 python3-venv"
}

make_venv() {
    rm -rf "$venv"
    python=$(find_python)
    echo "stentor: making $venv with $("$python" --version)"
    # Debian keeps ensurepip in a package of its own, python3-venv; any pip will do in its stead.
    if "$python" -c 'import ensurepip' 2>/dev/null && "$python" -m venv "$venv" >/dev/null 2>&1; then
        return
    fi
    rm -rf "$venv"
    "$python" -m venv --without-pip "$venv" || fail "$python cannot make a virtual environment"
}

# Runs pip on .venv: its own, or that of any Python at hand.
venv_pip() {
    if "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        "$venv/bin/python" -m pip "$@"
        return
    fi
    for name in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
        if "$name" -m pip --python "$venv/bin/python" --version >/dev/null 2>&1; then
            "$name" -m pip --python "$venv/bin/python" "$@"
            return
        fi
    done
    fail "pip is needed once, to fill $venv, and none was found; on Debian: apt install python3-venv"
}

# Lets .venv see the package in src and gives it the command `stentor`.
link_package() {
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$PWD/src" >"$site/stentor.pth"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec "$(dirname "$0")/python" -P -m stentor "$@"\n' >"$venv/bin/stentor"
    chmod +x "$venv/bin/stentor"
}

# What a stamp holds: a change in any of it means that the lock is installed anew.
mark() {
    echo "$PWD $("$venv/bin/python" --version)"
    cksum "requirements/$1.txt"
}

fits "$venv/bin/python" || make_venv
for lock in "${@:-run}"; do
    [ "$(cat "$venv/$lock.stamp" 2>/dev/null)" = "$(mark "$lock")" ] && continue
    echo "stentor: installing requirements/$lock.txt (half a minute or so, the first time)"
    venv_pip install --quiet --no-input --disable-pip-version-check \
        --require-hashes --requirement "requirements/$lock.txt" ||
        fail "the packages in requirements/$lock.txt could not be installed; pip says above why"
    link_package
    mark "$lock" >"$venv/$lock.stamp"
done
