#!/bin/sh
# Usage: build/setup.sh cpu|gpu|mxnet2|bench [COMMAND ...]
# Makes an environment if it is not there yet, then runs `python COMMAND` in it.
# This file only finds a Python; environment.py does the rest.
here=$(dirname "$0")
fits='
import ensurepip, platform, struct, sys, venv
sys.exit(not (
    platform.python_implementation() == "CPython"
    and sys.version_info[:2] == (3, 11)
    and (sys.platform, platform.machine()) == ("linux", "x86_64")
    and struct.calcsize("P") == 8
))'
for python in "$PYTHON" python3.11 python3 python \
    /usr/bin/python3.11 /usr/local/bin/python3.11 /usr/bin/python3; do
    if [ -n "$python" ] && "$python" -c "$fits" >/dev/null 2>&1; then
        exec "$python" "$here/environment.py" "$@"
    fi
done
echo "The book needs CPython 3.11 with venv on Linux x86-64, and none was found:" \
    "apt-get install python3.11-venv (Debian 12), or conda create -n py311 python=3.11," \
    "or uv python install 3.11; then make ... PYTHON=/path/to/python3.11" >&2
exit 1
