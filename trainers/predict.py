"""Labels media files: `python -m trainers.predict --model_dir=DIR | --export_dir=DIR CLIP...`.

A clip is one file that holds all modalities of the model, or one file for each, with commas
between: `image=a.png,text=a.txt`. A text without a comma may stand there itself.

Prints each clip's likeliest labels (or those above their thresholds, or numbers, by the model's
task) and the modalities' shares of the decision, as a table, as JSON
(an array of objects) or as CSV; JSON and CSV row by row as clips are done. A file that can't be
read gets one line on stderr, and the others go on. Write -- before names that begin with a dash.
A file that is longer than the longest clip of the training is labelled in windows of that length;
its row is their mean, and --per_window prints them all.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

from absl import flags

from tfrecords.progress import Progress
from trainers.reporting.prediction_answers import Answers
from trainers.reporting.prediction_formats import FORMATS, Row
from trainers.reporting.prediction_formats import rows as made
from trainers.running import command, media_files, windows
from trainers.running.predictor import BATCH, Predictor


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", "", "Directory of a finished `trainers.fit`.")
    flags.DEFINE_string("export_dir", "", "An export or one of its versions, without its run.")
    flags.DEFINE_enum("format", "table", list(FORMATS), "Format of the output.")
    flags.DEFINE_integer("top", 3, "Number of labels, the likeliest first.", lower_bound=1)
    flags.DEFINE_bool("per_window", False, "Print a row for each window instead of their mean.")
    windows.define_flag()


def predict(clips: list[str]) -> None:
    """Labels the files and prints the rows."""
    values = flags.FLAGS
    with command.user_errors():
        if not clips:
            raise ValueError("name media files: trainers.predict --model_dir=DIR CLIP.mp4 ...")
        predictor = load(values.model_dir, values.export_dir)
        predictor.check_window(values.window_seconds)
    try:
        failed = _print(predictor, clips, values)
    except BrokenPipeError:  # whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        failed = True
    if failed:
        sys.exit(1)


def load(model_dir: str, export_dir: str) -> Predictor:
    """The predictor of one of the two directories.

    Raises:
        ValueError: None or both are given, or the directory is damaged.
        FileNotFoundError: There is no such directory, or nothing in it.
    """
    if bool(model_dir) == bool(export_dir):
        raise ValueError("give either --model_dir or --export_dir")
    if model_dir:
        return Predictor.of_run(command.required_directory("model_dir", model_dir))
    return Predictor.of_export(command.required_directory("export_dir", export_dir))


def _print(predictor: Predictor, clips: list[str], values: Any) -> int:
    """Prints the rows; returns how many files could not be read."""
    failed = 0
    out = sys.stdout  # which the bar takes over
    # rows on the terminal are progress enough
    show = len(clips) > BATCH and (values.format == "table" or not out.isatty())
    modalities = tuple(predictor.inputs.modalities)
    answers = Answers(predictor.task, predictor.classes, min(values.top, len(predictor.classes)))

    def rows() -> Iterator[Row]:
        nonlocal failed
        with Progress("predict", len(clips), show, transient=True) as progress:
            for clip, found in predictor.label(clips, values.window_seconds):
                read = media_files.tell_problems(clip, found)
                failed += not read
                if read:
                    yield from made(clip, found, answers, modalities, values.per_window)
                progress.advance(f"{failed:,} failed" if failed else "")

    FORMATS[values.format](rows(), out, modalities, answers)
    return failed


def main() -> None:
    """The command, also as `amr-predict`."""
    command.run(define, predict, arguments=True)


if __name__ == "__main__":
    main()
