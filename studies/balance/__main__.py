"""The study of balanced attribution, whole: `python -m studies.balance`.

Renders clips, caches their features, makes all runs that are not finished (each a file), and writes
docs/study.md with its tables, figures and CSV. The same command goes on where it was interrupted.
"""

import pathlib
import sys

from absl import app, flags

from tfrecords import quiet  # noqa: F401  isort: skip

from studies.balance import data, study_page, study_plan, train
from tfrecords.building import process_pool
from tfrecords.progress import Progress

flags.DEFINE_string("work", "runs/study", "Where clips, features and finished runs are kept.")
flags.DEFINE_string("docs", "docs", "Where study.md and study/ are written.")
flags.DEFINE_integer("jobs", 2, "Processes; each makes many runs.", lower_bound=1)

_TIMEOUT = 1_200.0  # seconds a run may take


def make(work: pathlib.Path, runs: list[study_plan.StudyRun], jobs: int) -> list[str]:
    """Makes the runs that are not finished.

    Args:
        work: Path, the directory of the runs.
        runs: List of runs.
        jobs: Integer, the number of processes.

    Returns:
        A line for each run that failed, with what went wrong.
    """
    todo = [run for run in runs if train.result(work, run) is None]
    # a teacher's file is there before a run that learns from it begins
    waves = [
        [r for r in todo if (r.method in study_plan.MODALITIES) == first] for first in (True, False)
    ]
    failed = []
    with Progress("runs", len(runs), done=len(runs) - len(todo)) as progress:
        for wave in filter(None, waves):
            tasks = ((work, run) for run in wave)
            results = process_pool.run(train.in_worker, tasks, jobs, _TIMEOUT)
            for run, outcome in zip(wave, results, strict=True):
                if isinstance(outcome, process_pool.Lost):
                    failed.append(f"{run.name}: {outcome.reason}: {outcome.detail}")
                progress.advance(run.name)
    return failed


def main(_: list[str]) -> None:
    """The command."""
    work, docs = pathlib.Path(flags.FLAGS.work), pathlib.Path(flags.FLAGS.docs)
    for level in study_plan.LEVELS:
        data.make(work, level)
    failed = make(work, study_plan.everything(), flags.FLAGS.jobs)
    study_page.write(work, docs)
    print(f"{docs / 'study.md'}, {docs / 'study'}/")
    if failed:
        sys.exit("error: some runs failed; the same command tries them again\n" + "\n".join(failed))


if __name__ == "__main__":
    app.run(main)
