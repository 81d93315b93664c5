"""The full evaluation of one model, or of two clip by clip; see `trainers.evaluate`.

Writes `report.html` (self-contained), `report.json`, a PNG a figure, and TensorBoard's scalars and
images into MODEL_DIR/evaluation/<split>/.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from amr_tf.analysis import bootstrap, sections
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.contributions import contributions
from amr_tf.analysis.sections import Section
from amr_tf.analysis.subject import Subject, gather, passes, subject_names
from tfrecords.progress import Progress
from tfrecords.reading.pipeline import Pipeline
from trainers.reporting import references, report_files
from trainers.running import assembly, command
from trainers.running.finished_run import check_classes, load_config, load_model


def run(
    model_dir: pathlib.Path,
    against: pathlib.Path | None,
    split: str,
    votes: pathlib.Path | None = None,
    **options: Any,
) -> pathlib.Path:
    """Evaluates and writes the report.

    Args:
        model_dir: Of a finished run.
        against: Of another run, to compare with; None for none.
        split: To evaluate on.
        votes: CREMA-D's `summaryTable.csv`, for records of CREMA-D.
        **options: `data_dir`, `batch_size` and `skip_corrupt` of `trainers.evaluate.load_config`.

    Returns:
        The path of `report.html`.
    """
    directories = [model_dir, *filter(None, [against])]
    with command.user_errors():
        if against and against.resolve() == model_dir.resolve():
            raise ValueError(f"--against={against} is the run itself")
        configs = [load_config(d, **options) for d in directories]
        if against:  # on the same clips
            configs[1] = dataclasses.replace(configs[1], data_dir=configs[0].data_dir)
        assembly.setup(configs[0])
        strategy = assembly.strategy(configs[0])
        pipelines = [assembly.pipeline(config) for config in configs]
        with strategy.scope():
            models = [load_model(d) for d in directories]
        for data, model in zip(pipelines, models, strict=True):
            check_classes(model, data)
            for name in (split, "train"):  # on train probes are fitted
                data.records.split(name)
        voted = references.read_votes(votes) if votes else None
    names = subject_names(*configs) if against else ("",)
    subjects, sections = [], []
    steps = sum(map(passes, configs)) + len(configs)
    with Progress("full evaluation", steps) as progress:
        for name, config, data, model in zip(names, configs, pipelines, models, strict=True):
            with command.data_errors(data):
                subjects.append(gather(name, config, data, model, split, progress.advance))
            boots = bootstrap.shared(len(subjects[0].test.labels))
            with command.user_errors():
                check_same_clips(subjects)
                reference = annotated(subjects[-1], boots, data, split, voted)
            sections.append([*measure(subjects[-1], boots), *reference])
            progress.advance("intervals")
    output = model_dir / "evaluation" / split
    output.mkdir(parents=True, exist_ok=True)
    return report_files.write(output, split, subjects, sections)


def check_same_clips(subjects: Sequence[Subject]) -> None:
    """Refuses to compare models on different clips or classes by a ValueError."""
    first, last = subjects[0], subjects[-1]
    if first.classes != last.classes or first.media_ids != last.media_ids:
        raise ValueError(
            "--against: both models need the same classes, and clips that have all modalities of "
            "both; their records differ"
        )


def measure(subject: Subject, boots: Bootstrap) -> list[Section]:
    """All sections of one model, in the report's order."""
    if len(subject.modalities) > 1:
        conflicts = sections.conflict(subject, boots)
        return [
            sections.missing(subject, boots),
            sections.corrupted(subject, boots),
            conflicts,
            *contributions(subject, boots, conflicts),
            sections.probes(subject, boots),
            sections.calibrated(subject, boots),
        ]
    return [f(subject, boots) for f in (sections.corrupted, sections.probes, sections.calibrated)]


def annotated(
    subject: Subject, boots: Bootstrap, data: Pipeline, split: str, votes: dict | None
) -> list[Section]:
    """What people's annotations add: VGGSounder's in the records, CREMA-D's votes."""
    if subject.config.dataset == "vggsound":
        marks = references.annotations(data.records.shards(split))
        return [references.vggsounder(subject, boots, marks)]
    if votes is not None and len(subject.modalities) > 1:
        return [references.people(subject, boots, votes)]
    return []
