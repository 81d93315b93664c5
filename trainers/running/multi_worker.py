"""Training on several machines: which one this is, which one writes, which ones wait.

TF_CONFIG names the machines, `{"cluster": {"worker": ["host:port", ...]}, "task": {"type":
"worker", "index": 0}}`. Only the worker of index 0, the chief, prints and writes; all need to see
the same --model_dir and --data_dir. docs/multi_worker.sh starts one.
"""

import json
import os

import tensorflow as tf

EXAMPLE = (
    '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
# what collective operations raise when a peer is gone
LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
AGAIN = 75  # exit code: try again (EX_TEMPFAIL)


def this() -> tuple[int, int]:
    """Index of this worker, and how many there are, by TF_CONFIG.

    Raises:
        ValueError: TF_CONFIG is missing or has another form.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        raise ValueError(f"--strategy=multi_worker needs TF_CONFIG in the environment: {EXAMPLE}")
    try:
        content = json.loads(text)
        count = len(content["cluster"]["worker"])
        kind, index = content["task"]["type"], int(content["task"]["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"TF_CONFIG={text} is not of the form {EXAMPLE}") from error
    if kind != "worker" or not 0 <= index < count or set(content["cluster"]) != {"worker"}:
        raise ValueError(
            f"TF_CONFIG={text}: all tasks are of type worker, with an index from 0 to {count - 1}; "
            "the one of index 0 is the chief"
        )
    return index, count


def strategy() -> tf.distribute.MultiWorkerMirroredStrategy:
    """The strategy over all workers; waits until they are there.

    Raises:
        ValueError: TF_CONFIG is missing or has another form.
    """
    index, count = this()
    if not index:
        print(f"waiting for all {count} workers", flush=True)
    return tf.distribute.MultiWorkerMirroredStrategy()


def place(made: tf.distribute.Strategy) -> tuple[int, int]:
    """Index of this worker under a strategy, and how many there are; (0, 1) on one machine."""
    return this() if isinstance(made, tf.distribute.MultiWorkerMirroredStrategy) else (0, 1)


def is_chief(made: tf.distribute.Strategy) -> bool:
    """Whether this process prints and writes: the chief of several workers, or the only one."""
    return place(made)[0] == 0


def anyone(made: tf.distribute.Strategy, flag: bool) -> bool:
    """Whether the flag is up on any worker; all must ask, and wait for each other."""
    if (
        made.num_replicas_in_sync == 1
        or not getattr(made.extended, "_in_multi_worker_mode", bool)()
    ):
        return flag
    up = made.run(lambda x: x, args=(tf.constant(float(flag)),))
    return float(made.reduce(tf.distribute.ReduceOp.SUM, up, axis=None)) > 0


def barrier(made: tf.distribute.Strategy) -> None:
    """Waits for all workers."""
    anyone(made, False)
