"""The subject of an evaluation: all that it needs of a model and a split, in memory.

Each split is encoded once, and once more per corruption and severity, only by the encoder of the
corrupted modality. All else happens at the encodings.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.encodings import Encoder, Encodings, logits_of
from amr_tf.analysis.evaluation import Unmeasurable
from amr_tf.modalities import Corruption, Modality
from amr_tf.modalities.corruption import SEVERITIES
from amr_tf.model import MultimodalClassifier
from amr_tf.tasks import Task
from amr_tf.tasks.multiclass import MULTICLASS

CorruptedSplit = tuple[Corruption, Callable[[int], tf.data.Dataset]]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model on a split.

    Example:
        >>> subject = amr_tf.analysis.Subject.of(model, dataset, dataset, classes=("a", "b", "c"))
        >>> subject.modalities, subject.logits.shape
        (('audio', 'video'), (12, 3))

    Attributes:
        head: Model, the classifier's head.
        classes: Tuple of strings, the class names.
        clip_names: Tuple of strings, the names of the complete clips, in order.
        test: Encodings of the clips of the split that have all modalities.
        train: Encodings of training clips.
        empty: Dictionary, modality -> the encoding of an empty input, `[1, ...]`; may be empty.
        corrupted: Dictionary, corruption -> array `[5, N]`, the predicted classes by severity; of
            another task the head's outputs `[5, N, C]`.
        inputs: Dictionary, modality -> its input, of those for which the model has features layers.
        task: Task, the model's.
    """

    head: keras.Model
    classes: tuple[str, ...]
    clip_names: tuple[str, ...]
    test: Encodings
    train: Encodings
    empty: dict[str, np.ndarray]
    corrupted: dict[Corruption, np.ndarray]
    inputs: dict[str, Modality] = dataclasses.field(default_factory=dict)
    task: Task = MULTICLASS

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the modalities, in order."""
        return tuple(self.test.values)

    @property
    def encodings(self) -> list[np.ndarray]:
        """The encodings of the split, M arrays `[N, ...]`."""
        return list(self.test.values.values())

    def draws(self, outputs: np.ndarray, boots: Bootstrap, name: str = "") -> np.ndarray:
        """Draws of a metric of the task for outputs `[N, C]`; the main metric by default."""
        name = name or self.task.resampled[0]
        return self.task.draws(self.test.labels, outputs, boots, name)

    def word(self, modality: str) -> str:
        """The word for a modality, e.g. `sound`; its name, where that is not its kind's.

        Args:
            modality: String, the modality.
        """
        found = self.inputs.get(modality)
        return modality if found is None else found.called(modality)

    def nothing(self, modality: str) -> str:
        """The word for an empty input of a modality, e.g. `silence`.

        Args:
            modality: String, the modality.
        """
        found = self.inputs.get(modality)
        return f"empty {modality}" if found is None else found.nothing

    @functools.cached_property
    def logits(self) -> np.ndarray:
        """The logits of the split, `[N, C]`."""
        return logits_of(self.head, self.encodings)

    @classmethod
    def of(
        cls,
        model: MultimodalClassifier,
        test: tf.data.Dataset,
        train: tf.data.Dataset,
        classes: Sequence[str],
        clip_names: Sequence[str] | None = None,
        empty_inputs: Mapping[str, tf.Tensor] | None = None,
        corrupted: Iterable[CorruptedSplit] = (),
        split: str = "test",
        advance: Callable[[str], None] = lambda done: None,
    ) -> "Subject":
        """Encodes splits, empty inputs and corrupted clips.

        Args:
            model: MultimodalClassifier, the model to evaluate.
            test: Dataset of (inputs, class ids), the split to evaluate on.
            train: Dataset of (inputs, class ids), training clips that give the mean encodings and
                fit the probes, read as in evaluation.
            classes: Sequence of strings, the class names.
            clip_names: Sequence of strings, the names of the clips of `test`; their numbers by
                default.
            empty_inputs: Mapping, modality -> tensor `[1, ...]`, the input that holds nothing,
                e.g. silence; without it nothing is measured of empty inputs.
            corrupted: Iterable of pairs, a corruption and a function of a severity, which gives
                `test` with the corruption's modality corrupted; its inputs need only that modality.
                They are taken one after the other, so that a generator can free what it has read.
            split: String, the name of `test` in messages.
            advance: Function that is told of each pass over a split, in words.

        Returns:
            The subject.

        Raises:
            Unmeasurable: No clip has all of the modalities, or the model diverged.
        """
        encoder = Encoder(model)
        tested = encoder(test)
        advance(split)
        trained = encoder(train)
        advance("train")
        complete = tested.complete
        if not complete.any() or not trained.complete.any():
            raise Unmeasurable(
                f"no clip of {split} or of train has all of {', '.join(model.modalities)}"
            )
        names = map(str, range(len(complete))) if clip_names is None else clip_names
        return cls(
            head=model.head,
            classes=tuple(classes),
            clip_names=tuple(itertools.compress(names, complete)),
            test=tested.where(complete),
            train=trained.where(trained.complete),
            empty={m: _encoded(model, m, x) for m, x in (empty_inputs or {}).items()},
            corrupted=_corrupted_predictions(model, tested, corrupted, advance),
            inputs={m: layer.modality for m, layer in model.features_layers.items()},
            task=model.task,
        )


def passes(corruptions: int) -> int:
    """The number of times that `Subject.of` reports to `advance`.

    Args:
        corruptions: Integer, the number of corruptions.

    Returns:
        The number of passes over a split.
    """
    return 2 + len(SEVERITIES) * corruptions


def _encoded(model: MultimodalClassifier, modality: str, x: tf.Tensor) -> np.ndarray:
    features = model.features({modality: x})
    return tf.cast(model.encoding(modality, features), tf.float32).numpy()


def _corrupted_predictions(
    model: MultimodalClassifier,
    clean: Encodings,
    corrupted: Iterable[CorruptedSplit],
    advance: Callable[[str], None],
) -> dict[Corruption, np.ndarray]:
    encoders = {m: Encoder(model, [m]) for m in model.modalities}
    found = {}
    for corruption, dataset in corrupted:
        modality, predicted = corruption.modality, []
        for severity in SEVERITIES:
            changed = encoders[modality](dataset(severity)).values[modality]
            values = (clean.values | {modality: changed}).values()
            encodings = [e[clean.complete] for e in values]
            outputs = logits_of(model.head, encodings)
            # classes alone where they suffice: outputs of many classes and clips are large
            predicted.append(outputs.argmax(axis=1) if model.task.one_class else outputs)
            advance(f"{corruption.name}, severity {severity}")
        found[corruption] = np.stack(predicted)
    return found
