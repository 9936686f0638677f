#!/bin/sh
# Usage: build/setup.sh cpu|gpu|mxnet2|bench|audit [COMMAND ...]
# Makes an environment if it is not there yet, then runs `python COMMAND` in it.
#        build/setup.sh doctor|which|gpu-check
# Says what this machine can run; says which Python would be taken; tries the
# GPU environment. This file only finds a Python: environment.py, doctor.py and
# gpu_check.py do the rest.
here=$(dirname "$0")
fits='
import ensurepip, platform, struct, sys, venv
sys.exit(not (
    platform.python_implementation() == "CPython"
    and sys.version_info[:2] == (3, 11)
    and (sys.platform, platform.machine()) == ("linux", "x86_64")
    and struct.calcsize("P") == 8
))'
[ "$*" = doctor ] && fits='import sys; sys.exit(sys.version_info < (3, 9))'
# Ctrl-C waits until Python has started: build/ending.py then says one line.
wait=
env --block-signal=INT true 2>/dev/null && wait='env --block-signal=INT'
for python in "$PYTHON" python3.11 python3 python \
    /usr/bin/python3.11 /usr/local/bin/python3.11 /usr/bin/python3; do
    if [ -n "$python" ] && "$python" -c "$fits" >/dev/null 2>&1; then
        case $* in
        doctor) exec $wait "$python" "$here/doctor.py" ;;
        gpu-check) exec $wait "$python" "$here/../tools/gpu_check.py" ;;
        which) exec "$python" -c 'import sys
print(".".join(map(str, sys.version_info[:3])), f"({sys.executable})")' ;;
        *) exec $wait "$python" "$here/environment.py" "$@" ;;
        esac
    fi
done
echo "The book needs CPython 3.11 with venv on Linux x86-64, and none was found:" \
    "apt-get install python3.11-venv (Debian 12), or conda create -n py311 python=3.11," \
    "or uv python install 3.11; then make ... PYTHON=/path/to/python3.11" >&2
exit 1
