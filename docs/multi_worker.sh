#!/usr/bin/env bash
# One worker of a training on several machines; start it on each of them:
#
#   WORKERS=host0:12345,host1:12345 INDEX=0 bash docs/multi_worker.sh --model_dir=/shared/run ...
#
# Everything behind it goes to `python -m trainers.fit`. All machines must see --model_dir and
# --data_dir under the same names. A worker that loses another, or is killed, starts again and goes
# on from the last checkpoint together with the others; a wrong flag ends it.
set -u
: "${WORKERS:?name all workers, host:port, with commas between}" "${INDEX:?0 for the chief, 1, 2, ...}"
PYTHON=${PYTHON:-python}
TF_CONFIG=$("$PYTHON" -c '
import json, sys
workers, index = sys.argv[1].split(","), int(sys.argv[2])
print(json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}))
' "$WORKERS" "$INDEX") || exit 1
export TF_CONFIG
child=
trap '[ -n "$child" ] && kill -TERM "$child" && wait "$child"; exit 143' TERM INT
while true; do
  "$PYTHON" -m trainers.fit --strategy=multi_worker "$@" &
  child=$!
  wait "$child"
  code=$?
  # 75: another worker is gone; 137 and the like: killed
  if [ "$code" -ne 75 ] && [ "$code" -lt 128 ] || [ "$code" -eq 143 ]; then
    exit "$code"
  fi
  echo "worker $INDEX ended with $code; starting again" >&2
  sleep "${PAUSE:-5}"
done
