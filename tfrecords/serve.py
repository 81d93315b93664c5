"""Lends this machine's CPUs to a training elsewhere: `python -m tfrecords.serve --help`.

    python -m tfrecords.serve --port=5050                           # on each machine that lends
    python -m trainers.fit --data_service=cpu0:5050,cpu1:5050 ...   # where training runs

The machines read, decode and cut the training clips; the records must lie under the same path
(--data_dir) on all of them, and TensorFlow must be of the same version. The batches are those of
a training without help, in the same order, whatever the number of machines.

Whoever reaches the ports can have TensorFlow read and write files in the name of the user who
serves: open them only to machines that you trust.
"""

from tfrecords import tools  # noqa: F401  isort: skip

import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence

from absl import app, flags

from tfrecords import quiet  # noqa: F401  isort: skip

import tensorflow as tf

from tfrecords import flac


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_integer(
        "port",
        5050,
        "First of the two ports to listen at, the other is the next one; 0 for any that are free.",
        lower_bound=0,
        upper_bound=65534,
    )
    flags.DEFINE_string(
        "host",
        None,
        "Name or address under which the training machine reaches this one (default: its name).",
    )


def serve(host: str, port: int) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Args:
        host: String, the name that this machine has for others.
        port: Integer, the first of two ports; 0 for any.

    Raises:
        OSError: A port is taken.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    for wanted in (port, port + 1) if port else ():
        _require_free(wanted)
    flac.native_decoder()  # its operation must be known here to run in a graph from elsewhere
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer(service.DispatcherConfig(port=port))
    own = int(dispatcher.target.rpartition(":")[2])
    config = service.WorkerConfig(
        dispatcher_address=f"localhost:{own}",
        worker_address=f"{host}:%port%",  # TensorFlow fills in the port that it took
        port=port and port + 1,
    )
    _worker = service.WorkerServer(config)  # serves as long as it has a name
    print(f"serving clips at {host}:{own}; train with --data_service={host}:{own}", flush=True)
    while not ended.wait(0.5):  # for ever, it might not see a signal that another thread got
        pass
    print("stopped", flush=True)
    os._exit(0)  # nothing is kept, and TensorFlow's own end can take minutes


def _require_free(port: int) -> None:
    """Raises OSError where a port is taken: TensorFlow would share it with who has it."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of those closed just now
        try:
            taken.bind(("", port))
        except OSError as error:
            raise OSError(f"port {port} cannot be had ({error.strerror}): choose --port") from error


def _run(arguments: Sequence[str]) -> None:
    if len(arguments) > 1:
        sys.exit(f"error: what is {arguments[1]!r}? All options begin with --")
    try:
        serve(flags.FLAGS.host or socket.gethostname(), flags.FLAGS.port)
    except OSError as error:
        sys.exit(f"error: {error}")


def main() -> None:
    """The command, also as `amr-serve`."""
    define()
    app.run(_run)


if __name__ == "__main__":
    main()
