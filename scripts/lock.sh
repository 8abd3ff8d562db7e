#!/bin/sh
# Writes requirements/*.txt anew from requirements/*.in, for every platform, with hashes.
set -eu
cd "$(dirname "$0")/../requirements"

command -v uv >/dev/null || {
    echo "stentor: locking needs uv; for example: pipx install uv" >&2
    exit 1
}
for lock in run test demo; do
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate \
        "$@" "$lock.in" --output-file "$lock.txt"
    echo "stentor: wrote requirements/$lock.txt"
done
