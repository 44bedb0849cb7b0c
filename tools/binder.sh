#!/bin/sh
# Build what Binder builds, from what is committed, and run the tutorials within its limits:
# tools/binder.sh PYTHON [FOLDER [OPTION ...]]; options are those of `manual.executed`
set -eu
python=$1
folder=${2:-build/binder}
[ $# -gt 2 ] && shift 2 || shift $#
root=$(cd "$(dirname "$0")/.." && pwd)

rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
git clone --quiet "$root" "$folder/source"
"$root/tools/venv.sh" "$python" "$folder/env"
cd "$folder/source"

# as on Binder: its own caches, and the environment's programs first
PATH="$folder/env/bin:$PATH"
XDG_CACHE_HOME="$folder/cache"
export PATH XDG_CACHE_HOME
unset PYTHONPATH NUMBA_CACHE_DIR
PIP_QUIET=1 bash binder/postBuild
du -sh "$folder/env" | sed 's/\t.*/ of packages/'
PYTHONPATH=tools python -m manual.executed -o "$folder/executed" "$@"
