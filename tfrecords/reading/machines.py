"""Machines that lend their CPUs: their addresses, whether they answer, and their failures."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator

import tensorflow as tf

ANSWER_SECONDS = 5.0  # in which a connection is to stand
# a machine that does not answer so often in a row, with such a pause before each, is gone
TRIES = 6
PAUSE_SECONDS = 5.0
START = "`python -m tfrecords.serve` on a machine starts one"
SAME_PATH = "the records must lie under one path, here and on every machine that serves"
_SAID = re.compile(  # what a worker answered, as clients of both TensorFlows report it
    r"Failed to get element from worker (?P<worker>\S+): "
    r"(?:.*Failed to get element: )?(?P<said>.*)",
    re.DOTALL,
)
LOST_PLACE = "a machine lost its place in the stream"


class ServiceError(ConnectionError):
    """A machine that does not serve; the message says which, and what to do."""


class Restarted(ServiceError):
    """A machine was started anew, and no longer knows the stream that it was making."""


def parse(text: str) -> tuple[str, ...]:
    """The addresses of machines that a text names.

    Args:
        text: String, `HOST:PORT`, several separated by commas; empty for none.

    Raises:
        ValueError: The text has another form, or names a machine twice.
    """
    found = tuple(text.split(",")) if text else ()
    for address in found:
        host, _, port = address.rpartition(":")
        right = port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16
        if not right or not host or not host.isprintable() or set(host) & set(" /"):
            raise ValueError(f"{address!r} is not an address: write HOST:PORT[,HOST:PORT...]")
    if len(set(found)) < len(found):
        raise ValueError(f"{text} names a machine twice")
    return found


def answers(address: str) -> bool:
    """Whether something listens at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, UnicodeError):  # UnicodeError: a name that no machine can have
        return False
    return True


def require(addresses: tuple[str, ...]) -> None:
    """Raises ServiceError where nothing listens at one of the addresses."""
    for address in addresses:
        if not answers(address):
            raise ServiceError(f"nothing answers at {address}: {START}")


@contextlib.contextmanager
def watched(addresses: tuple[str, ...], lost: Callable[[str], None]) -> Iterator[None]:
    """Checks that machines still answer while the code inside takes data from them.

    TensorFlow itself would wait for an hour for one that is gone.

    Args:
        addresses: Strings `host:port`.
        lost: Function that takes the address of the one that is gone; called in another thread.
    """
    ended = threading.Event()

    def look() -> None:
        missed = dict.fromkeys(addresses, 0)
        while not ended.wait(PAUSE_SECONDS):
            for address in addresses:
                missed[address] = 0 if answers(address) else missed[address] + 1
                if missed[address] == TRIES and not ended.is_set():
                    lost(address)
                    return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


@contextlib.contextmanager
def naming_failures(address: str = "") -> Iterator[None]:
    """Says what is wrong with a machine when the code inside fails on it.

    Errors that broken records cause pass: see `RecordSet.naming_corrupt_records`.

    Args:
        address: String, the machine that all failures are of, if that is known.

    Raises:
        Restarted: A machine was started anew.
        ServiceError: A machine cannot do its part.
    """
    try:
        yield
    except tf.errors.OpError as error:
        raised = _translated(error, address)
        if raised is None:
            raise
        raise raised from error


def _translated(error: tf.errors.OpError, address: str) -> ServiceError | None:
    found = _SAID.search(error.message or "")
    said = (found["said"] if found else error.message or "").partition(" [Op:")[0].strip()
    where = address or (found["worker"] if found else "a machine of the data service")
    if "Could not find callback" in said:
        return ServiceError(
            "the training clips are made with Python code (tf.py_function, tf.numpy_function), "
            "which other machines cannot run: train without the data service"
        )
    if found and isinstance(error, tf.errors.NotFoundError | tf.errors.PermissionDeniedError):
        return ServiceError(f"{where} says: {said}; {SAME_PATH}")
    if "nknown iteration client" in said or LOST_PLACE in said:
        return Restarted("a machine of the data service was started anew")
    broken = isinstance(error, tf.errors.DataLossError | tf.errors.InvalidArgumentError)
    return ServiceError(f"{where} does not serve: {said}") if address and not broken else None
