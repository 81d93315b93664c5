"""Finished runs as files: a run that was interrupted leaves none, and is made again."""

import itertools
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfrecords import atomic
from tfrecords.building import process_pool
from tfrecords.progress import Progress


def path(work: pathlib.Path, run: Any) -> pathlib.Path:
    """The file of a finished run."""
    return work / "runs" / f"{run.name}.json"


def read(work: pathlib.Path, run: Any, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The measurements of a finished run.

    Args:
        work: Path, the directory of the runs.
        run: Run, with a `name`.
        settings: Dictionary, the settings of the study, as JSON gives them back.

    Returns:
        A dictionary, name -> number; None if the run is not finished, or was made by other
        settings.
    """
    try:
        found = json.loads(path(work, run).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found["measured"] if found["settings"] == settings else None


def write(work: pathlib.Path, run: Any, settings: dict[str, Any], measured: dict) -> None:
    """Writes what a run measured; its file appears when it is whole."""
    path(work, run).parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path(work, run), json.dumps({"settings": settings, "measured": measured}))


def make(
    work: pathlib.Path,
    waves: Sequence[Sequence[Any]],
    finished: Callable[[pathlib.Path, Any], Any],
    function: Callable[[pathlib.Path, list], list[str]],
    jobs: int,
    timeout: float,
) -> list[str]:
    """Makes the runs that are not finished.

    Neighbours of one `graph` go to one process, which traces their train step once.

    Args:
        work: Path, the directory of the runs.
        waves: Sequence of sequences of runs; a wave begins when those before it are done.
        finished: Function, (work, run) -> None where the run is not finished.
        function: Function of a module, called in other processes: it makes some runs and returns
            what went wrong, see `each`.
        jobs: Integer, the number of processes.
        timeout: Float, the seconds that a run may take.

    Returns:
        A line for each run that failed, with what went wrong.
    """
    waves = [[run for run in wave if finished(work, run) is None] for wave in waves]
    failed = []
    with Progress("runs", sum(map(len, waves))) as progress:
        for wave in filter(None, waves):
            groups = [list(group) for _, group in itertools.groupby(wave, lambda run: run.graph)]
            most = timeout * max(map(len, groups))
            tasks = ((work, group) for group in groups)
            results = process_pool.run(function, tasks, jobs, most)
            for group, outcome in zip(groups, results, strict=True):
                if isinstance(outcome, process_pool.Lost):
                    lost = [run for run in group if finished(work, run) is None]
                    outcome = [f"{run.name}: {outcome.reason}: {outcome.detail}" for run in lost]
                failed += outcome
                for run in group:
                    progress.advance(run.name)
    return failed


def each(
    make_run: Callable[[pathlib.Path, Any], None], work: pathlib.Path, group: Sequence[Any]
) -> list[str]:
    """Makes some runs.

    Args:
        make_run: Function that makes a run.
        work: Path, the directory of the runs.
        group: Sequence of runs.

    Returns:
        A line for each run that failed, with what went wrong; one does not stop the others.
    """
    failed = []
    for run in group:
        try:
            make_run(work, run)
        except Exception as error:
            failed.append(f"{run.name}: {type(error).__name__}: {error}")
    return failed


def on_one_core() -> None:
    """Holds this process's TensorFlow to one thread, before its first run."""
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
