#!/bin/sh
# Makes the virtual environment with the extras given as $1, and fetches the page's front-end files.
# Needs Python 3.11 or later and Node's npm; says which Debian package is missing.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
extras=$1

. tools/packages.sh

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: Python 3.11 or later is needed, $("$python" --version 2>&1) was found" >&2
    exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || need_packages python3-venv
command -v npm >/dev/null || need_packages npm
command -v dbus-daemon >/dev/null || need_packages dbus-daemon # the demo's simulated Bluetooth

if [ ! -x .venv/bin/pip ]; then
    echo "· virtual environment .venv"
    "$python" -m venv .venv
fi
echo "· Python packages, pinned by constraints.txt (the first time takes a minute)"
.venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extras]"
if [ ! -d collector/web/static/vendor ] || [ package-lock.json -nt collector/web/static/vendor ]; then
    echo "· front-end files from npm"
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    .venv/bin/python tools/frontend.py
fi
