#!/usr/bin/env bash
# One machine that makes training batches for another one; start it on each of them:
#
#   MACHINES=cpu0:5050,cpu1:5050 INDEX=0 bash docs/data_service.sh
#
# It serves at its port and the next one, and shows the command that trains with all of them. All
# must see --data_dir under the same path as the machine that trains. A server that is killed
# starts again; the training then goes on by the same command from its last checkpoint.
set -u
: "${MACHINES:?name all machines, host:port, with commas between}" "${INDEX:?0 for the first, 1, 2, ...}"
PYTHON=${PYTHON:-python}
IFS=, read -r -a machines <<<"$MACHINES"
own=${machines[$INDEX]:?INDEX is not that of one of MACHINES}
child=
trap '[ -n "$child" ] && kill -TERM "$child" && wait "$child"; exit 143' TERM INT
[ "$INDEX" -eq 0 ] && echo "python -m trainers.fit --data_service=$MACHINES --data_dir=DIR ..."
while true; do
  "$PYTHON" -m tfrecords.serve --host="${own%:*}" --port="${own##*:}" &
  child=$!
  wait "$child"
  code=$?
  # 137 and the like: killed; all others are for people
  [ "$code" -lt 128 ] && exit "$code"
  echo "the server ended with $code; starting again" >&2
  sleep "${PAUSE:-5}"
done
