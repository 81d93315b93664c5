"""A run as the subject of an evaluation: its model, and datasets read as the run read them."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping

import keras
import tensorflow as tf

from amr_tf.analysis import subject
from amr_tf.analysis.subject import CorruptedSplit, Subject
from amr_tf.modalities import Corruption, Modality
from tfrecords.reading.pipeline import Pipeline
from trainers.config.run_config import Config
from trainers.reporting.report_section import ReportSection
from trainers.reporting.report_sections import possible_corruptions

# Clips of the training split that give the mean encoding and train the probes.
TRAIN_CLIPS = 20_000


@dataclasses.dataclass(frozen=True)
class EvaluatedRun:
    """A run, its measurements, and the sections that the report makes of them.

    Attributes:
        name: String, what tells the run from another one, e.g. `with AMR`; empty for a single run.
        config: Config, the run's.
        subject: Subject, the run's model on the split.
        sections: Tuple of sections, in the report's order.
    """

    name: str
    config: Config
    subject: Subject
    sections: tuple[ReportSection, ...] = ()

    @property
    def by_key(self) -> dict[str, ReportSection]:
        """The sections by their keys."""
        return {section.key: section for section in self.sections}


def passes(data: Pipeline) -> int:
    """The most passes that `subject_of_run` reports: a run may lack the clips to mix babble of.

    Args:
        data: Pipeline, the run's records.

    Returns:
        The number of passes.
    """
    return subject.passes(sum(len(possible_corruptions(m)) for m in data.inputs.values()))


def subject_of_run(
    config: Config, data: Pipeline, model: keras.Model, split: str, advance: Callable[[str], None]
) -> Subject:
    """Encodes splits, empty inputs and corrupted clips of a run.

    Args:
        config: Config, the run's.
        data: Pipeline, the run's records.
        model: Model, the run's.
        split: String, the split to evaluate on.
        advance: Function that is told of each pass, in words.

    Returns:
        The subject.

    Raises:
        Unmeasurable: No clip has all of the modalities, or the model diverged.
    """
    return Subject.of(
        model,
        test=data.evaluate(split),
        train=data.evaluate("train").take(-(-TRAIN_CLIPS // config.batch_size)),
        classes=data.info.classes,
        clip_names=data.media_ids(split),
        empty_inputs={m: modality.absent()[tf.newaxis] for m, modality in data.inputs.items()},
        corrupted=_corrupted(config, data.inputs, split),
        split=split,
        advance=advance,
    )


def run_names(a: Config, b: Config) -> tuple[str, str]:
    """Names that tell two runs apart: by AMR, else by the method, else by the directories.

    Args:
        a: Config, the first run's.
        b: Config, the second run's.

    Returns:
        A name for each.
    """
    weights = [bool(c.effective_amr_weight) for c in (a, b)]
    if a.method == b.method and weights[0] != weights[1]:
        return tuple("with AMR" if w else "without AMR" for w in weights)
    if a.method != b.method and weights[0] == weights[1]:
        return f"by {a.method}", f"by {b.method}"
    paths = [pathlib.Path(c.model_dir) for c in (a, b)]
    same = paths[0].name == paths[1].name
    return tuple(f"in {path if same else path.name}" for path in paths)


def _corrupted(
    config: Config, inputs: Mapping[str, Modality], split: str
) -> Iterator[CorruptedSplit]:
    """The corruptions of each modality with the split that they change."""
    for name, modality in inputs.items():
        # reads and decodes only the corrupted modality
        data = Pipeline(
            config.data_dir,
            {name: modality},
            batch_size=config.batch_size,
            cache="auto",
            skip_corrupt=config.skip_corrupt,
        )
        others = "train" if split != "train" else "test"
        for mine in data.corruptions(others)[name]:
            yield mine, functools.partial(_changed, data, split, mine)


def _changed(data: Pipeline, split: str, corruption: Corruption, severity: int) -> tf.data.Dataset:
    return data.evaluate(split, corruption.in_graph(severity))
