#!/bin/sh
# Make a virtual environment: tools/venv.sh PYTHON FOLDER
set -eu
python=$1
folder=$2

if ! command -v "$python" >/dev/null; then
    echo "no $python: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$("$python" --version): jwinteractive needs Python 3.11 or newer; name one: make PYTHON=python3.11" >&2
    exit 1
fi
[ -x "$folder/bin/pip" ] && exit 0

# Debian splits ensurepip from Python, and venv fails without it
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        apt-get install -y -qq "$package" >/dev/null || apt-get install -y -qq python3-venv >/dev/null
    else
        echo "Python has no venv module here; run once:  sudo apt-get install -y $package" >&2
        exit 1
    fi
fi
rm -rf "$folder"
"$python" -m venv "$folder"
