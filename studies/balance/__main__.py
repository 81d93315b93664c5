"""The study of balanced attribution, whole: `python -m studies.balance`.

Renders clips, caches their features, makes all runs that are not finished (each a file), and writes
docs/study.md with its tables, figures and CSV. The same command goes on where it was interrupted.
"""

import pathlib
import sys

from absl import app, flags

from tfrecords import quiet  # noqa: F401  isort: skip

from studies import runs
from studies.balance import data, study_page, study_plan, train

flags.DEFINE_string("work", "runs/study", "Directory of clips, features and finished runs.")
flags.DEFINE_string("docs", "docs", "Directory to write study.md and study/ to.")
flags.DEFINE_integer("jobs", 2, "Processes; each makes many runs.", lower_bound=1)

_TIMEOUT = 1_200.0  # seconds a run may take


def main(_: list[str]) -> None:
    """The command."""
    work, docs = pathlib.Path(flags.FLAGS.work), pathlib.Path(flags.FLAGS.docs)
    for level in study_plan.LEVELS:
        data.make(work, level)
    # a teacher's file is there before a run that learns from it begins
    waves = [study_plan.teachers(), study_plan.fused()]
    failed = runs.make(work, waves, train.result, train.in_worker, flags.FLAGS.jobs, _TIMEOUT)
    study_page.write(work, docs)
    print(f"{docs / 'study.md'}, {docs / 'study'}/")
    if failed:
        sys.exit("error: some runs failed; the same command tries them again\n" + "\n".join(failed))


if __name__ == "__main__":
    app.run(main)
