#!/bin/sh
# Usage: sh start.sh [cpu|gpu] [what JupyterLab takes, such as --no-browser]
# The first start installs the packages into .venv, which takes some minutes.
cd "$(dirname "$0")" || exit
box=cpu
case "$1" in cpu | gpu) box=$1 && shift ;; esac
[ "$(id -u)" = 0 ] && set -- --allow-root "$@" # Jupyter refuses otherwise
exec sh build/setup.sh "$box" -m jupyterlab --config=build/lab_settings.py \
    --LabApp.default_url=/lab/tree/data.ipynb "$@"
