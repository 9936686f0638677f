#!/bin/sh
# Usage: build/setup.sh cpu|gpu|mxnet2|other|bench|audit [COMMAND ...]
# Makes an environment if it is not there yet, then runs `python COMMAND` in it.
#        build/setup.sh doctor|which|which other|gpu-check
# Says what this machine can run; says which Python would be taken, or which
# second one for tests; tries the GPU environment. This file only finds a
# Python: environment.py, doctor.py and gpu_check.py do the rest.
#
# PYTHON=... rules. Else an environment keeps the Python that it was made of,
# and a new one gets the newest that fits, or one that uv fetches.
here=$(dirname "$0")
what=$*
[ "$what" = 'which other' ] && what=which && shift
oldest=11 newest=13 except=
folder=$here/../.venv
[ "$1" = bench ] && newest=11 # requirements/bench.in says why
case $1 in
gpu-check) folder=$folder-gpu ;;
cpu | doctor | which) ;;
*) folder=$folder-$1 ;;
esac
places='/usr/local/bin /usr/bin /home/linuxbrew/.linuxbrew/bin /opt/conda/bin'

fail() {
    echo "$*" >&2
    exit 1
}

# A Python answers with its minor version and its path, or with why it does not
# fit: after 1, if there is something to install for it, else after 0.
fits='
import os, platform, struct, sys
oldest, newest, doctor = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
minor = sys.version_info[1]
def unfit():
    if doctor == "doctor":
        return sys.version_info < (3, 9) and "0 is too old"
    if platform.python_implementation() != "CPython":
        return "0 is no CPython"
    if sys.version_info[0] != 3 or not oldest <= minor <= newest:
        return "0 is Python %d.%d" % sys.version_info[:2]
    if struct.calcsize("P") != 8:
        return "0 is a program of 32 bits"
    if "t" in sys.abiflags:
        return "0 is built without the global lock, packages are not"
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names or (
        not os.confstr("CS_GNU_LIBC_VERSION")
    ):
        return "0 is built for musl, not for glibc"
    try:
        import ensurepip, venv
    except ImportError:
        return "1 has no venv or no ensurepip"
reason = unfit()
print(reason or "%d %s" % (minor, sys.executable))'

ask() { # prints nothing for what does not run, such as a shim of pyenv
    [ -n "$1" ] && "$1" -c "$fits" "$oldest" "$newest" "$what" </dev/null 2>/dev/null
}

ask_all() { # in the order of their names, PATH first
    for name in python3.13 python3.12 python3.11 python3 python; do
        ask "$(command -v $name)"
        for place in $places; do
            [ -x "$place/$name" ] && ask "$place/$name"
        done
    done
    conda=${CONDA_EXE:-$(command -v conda)}
    conda=${conda%/*/*}
    for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python \
        "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}"/*/bin/python3 \
        "$conda"/bin/python "$conda"/envs/*/bin/python \
        "$HOME"/*conda3/bin/python "$HOME"/*conda3/envs/*/bin/python \
        "$HOME"/miniforge3/bin/python "$HOME"/miniforge3/envs/*/bin/python; do
        [ -x "$python" ] && ask "$python"
    done
}

what_to_type() { # in one line, for this system
    ID='' ID_LIKE='' VERSION_ID=''
    [ -r /etc/os-release ] && . /etc/os-release
    if command -v brew >/dev/null; then
        echo 'brew install python@3.13'
    elif command -v conda >/dev/null; then
        echo 'conda create -y -n book python=3.13'
    else
        case " $ID $VERSION_ID $ID_LIKE " in
        ' ubuntu 20'* | ' debian 11'* | ' debian 10'*) echo 'pip install uv' ;;
        ' ubuntu 22'*) echo 'sudo apt-get install python3.11-venv' ;;
        *' debian '* | *' ubuntu '*) echo 'sudo apt-get install python3-venv' ;;
        *' fedora '*) echo 'sudo dnf install python3.13' ;;
        *' rhel '*) echo 'sudo dnf install python3.12' ;;
        *' arch '*) echo 'sudo pacman -S uv' ;;
        *suse*) echo 'sudo zypper install python313' ;;
        *) echo 'curl -LsSf https://astral.sh/uv/install.sh | sh' ;;
        esac
    fi
}

if [ "$what" != doctor ]; then
    case $(uname -sm) in
    'Linux x86_64') ;;
    *) fail "The book needs Linux on x86-64, and this is $(uname -sm):" \
        'MXNet has no packages for it' ;;
    esac
    case $(ldd --version 2>&1) in
    *musl*) fail 'The book needs a Linux with glibc (Debian, Ubuntu, Fedora),' \
        'and this one has musl: MXNet has no packages for it' ;;
    esac
fi

if [ -n "$PYTHON" ]; then
    best=$(ask "$PYTHON")
    case $best in
    '') fail "PYTHON=$PYTHON does not run" ;;
    [01]\ *) fail "PYTHON=$PYTHON ${best#* }: the book needs CPython" \
        "3.$oldest to 3.$newest with venv" ;;
    esac
else
    best=$(ask "$(readlink -f "$folder/bin/python")")
    case $best in
    '' | [01]\ *)
        # `other`: one that the tests have not run with.
        [ "$1" = other ] && except=$(cd "$here/../.venv/lib" 2>/dev/null && echo python3.*)
        best=$(ask_all | grep -v "^${except#python3.} " | sort -s -k1,1nr | head -n 1)
        ;;
    esac
fi
case $best in
'' | [01]\ *)
    if [ "$1" != other ] && command -v uv >/dev/null; then
        [ "$what" = which ] && echo "3.$newest (uv fetches it)" && exit
        uv python install --quiet "3.$newest" >&2 &&
            best=$(ask "$(uv python find "3.$newest")")
        case $best in
        '' | [01]\ *) fail "uv could not fetch CPython 3.$newest: is there a network?" ;;
        esac
    else
        why='and none was found'
        case $best in 1\ *) why="and the one here ${best#* }" ;; esac
        fail "The book needs CPython 3.$oldest to 3.$newest with venv, $why:" \
            "$(what_to_type); then try again, or say PYTHON=/path/to/python"
    fi
    ;;
esac
python=${best#* }

# Ctrl-C waits until Python has started: build/ending.py then says one line.
wait=
env --block-signal=INT true 2>/dev/null && wait='env --block-signal=INT'
case $what in
doctor) exec $wait "$python" "$here/doctor.py" ;;
gpu-check) exec $wait "$python" "$here/../tools/gpu_check.py" ;;
which) exec "$python" -c 'import sys
print(".".join(map(str, sys.version_info[:3])), f"({sys.executable})")' ;;
*) exec $wait "$python" "$here/environment.py" "$@" ;;
esac
