"""Training on batches that other machines make: checks before it, and its end on a failure."""

import contextlib
import os
import sys
from collections.abc import Iterator

from tfrecords.reading import machines
from tfrecords.reading.data_service import ServedPipeline
from tfrecords.reading.pipeline import Pipeline
from trainers.running.multi_worker import AGAIN


def check(data: Pipeline) -> None:
    """Makes sure that the machines serve, if any make the data's batches.

    Raises:
        ServiceError: A machine does not serve.
        CorruptRecord: The first record of a shard cannot be read.
    """
    if isinstance(data, ServedPipeline):
        data.check()


@contextlib.contextmanager
def watched(data: Pipeline) -> Iterator[None]:
    """Ends the command in one line when a machine fails or is gone.

    It ends with `multi_worker.AGAIN` where the same command goes on from the last checkpoint.

    Args:
        data: Pipeline, whose batches other machines may make, or this one.
    """
    if not isinstance(data, ServedPipeline):
        yield
        return
    try:
        with machines.watched(data.addresses, _lost), machines.naming_failures():
            yield
    except machines.Restarted as error:
        _end(str(error))
    except machines.ServiceError as error:
        sys.exit(f"error: {error}")


def _lost(address: str) -> None:
    _end(f"{address} no longer answers; {machines.START}")


def _end(problem: str) -> None:
    print(f"error: {problem}; the same command goes on from the last checkpoint", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(AGAIN)  # threads that wait for the machine would keep us
