#!/bin/sh
# Starts the node that this file is named after, with the Python of its own install, else the first on PATH.
name=$(basename "$0")
python="$(dirname "$0")/../../bin/python3"
[ -x "$python" ] || python="${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/}python3"
exec "$python" -m "halsie_ros.nodes.$name" "$@"
