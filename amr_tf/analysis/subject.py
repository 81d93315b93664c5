"""Everything of a model and a split that the full evaluation needs, in memory: encodings.

Each split is encoded once, and once more per corruption and severity by the encoder of the
corrupted modality alone. All else happens at the encodings.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import features
from amr_tf.analysis.ablation import head_logits
from amr_tf.analysis.corruption import (
    SEVERITIES,
    Corruption,
    audio_corruptions,
    video_corruptions,
)
from amr_tf.analysis.evaluation import Encoder, Encodings, Unmeasurable
from tfrecords.reading.pipeline import Pipeline
from trainers.config.run_config import Config

# Clips of the training split that give the mean encoding and train the probes.
TRAIN_CLIPS = 20_000
_VOICES = 32  # clips from which babble is mixed


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model on a split.

    Attributes:
        name: What tells it from another model, for people.
        config: Of its run.
        head: Its head.
        classes: Class names.
        media_ids: Of the complete clips, in order.
        test: Encodings of the clips of the split that have all modalities.
        train: Encodings of training clips.
        empty: Modality -> the encoding of silence or of black frames, `[1, ...]`.
        corrupted: Corruption -> predicted classes `[5, N]`, by severity.
    """

    name: str
    config: Config
    head: keras.Model
    classes: tuple[str, ...]
    media_ids: tuple[str, ...]
    test: Encodings
    train: Encodings
    empty: dict[str, np.ndarray]
    corrupted: dict[Corruption, np.ndarray]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(self.test.values)

    @property
    def encodings(self) -> list[np.ndarray]:
        """M arrays `[N, ...]`."""
        return list(self.test.values.values())


def passes(config: Config) -> int:
    """Steps that `gather` reports of a model."""
    kinds = {"audio": len(audio_corruptions()) + 1, "video": len(video_corruptions())}
    return 2 + len(SEVERITIES) * sum(kinds[m] for m in config.modalities)


def gather(
    name: str,
    config: Config,
    data: Pipeline,
    model: keras.Model,
    split: str,
    advance: Callable[[str], None],
) -> Subject:
    """Encodes splits, empty inputs and corrupted clips.

    Args:
        name: Of the model.
        config: Of its run.
        data: Of its run.
        model: The model.
        split: To evaluate on.
        advance: Is told of each pass, in words.

    Raises:
        Unmeasurable: No clip has all of the modalities, or the model diverged.
    """
    encoder = Encoder(model)
    test = encoder(data.evaluate(split))
    advance(split)
    batches = -(-TRAIN_CLIPS // config.batch_size)
    train = encoder(data.evaluate("train").take(batches))
    advance("train")
    complete = test.complete
    if not complete.any() or not train.complete.any():
        raise Unmeasurable(
            f"no clip of {split} or of train has all of {', '.join(model.modalities)}"
        )
    names = itertools.compress(data.media_ids(split), complete)
    return Subject(
        name=name,
        config=config,
        head=model.head,
        classes=data.info.classes,
        media_ids=tuple(names),
        test=test.where(complete),
        train=train.where(train.complete),
        empty={m: _empty(model, config, m) for m in model.modalities},
        corrupted=_corrupted(model, config, split, test, advance),
    )


def _empty(model: Any, config: Config, modality: str) -> np.ndarray:
    """The encoding of silence, or of black frames, `[1, ...]`."""
    if modality == "audio":
        x = features.log_spectrogram(tf.zeros([1, config.audio.samples]), config.audio)
    else:
        x = features.normalize_frames(tf.zeros([1, *config.video.shape], tf.uint8), config.video)
    return tf.cast(model.encoders[modality](x, training=False), tf.float32).numpy()


def _corrupted(
    model: Any, config: Config, split: str, test: Encodings, advance: Callable[[str], None]
) -> dict[Corruption, np.ndarray]:
    found = {}
    for m, modality in enumerate(model.modalities):
        # reads and decodes the corrupted modality alone
        data = Pipeline(
            config.data_dir,
            audio=config.audio if modality == "audio" else None,
            video=config.video if modality == "video" else None,
            batch_size=config.batch_size,
            cache="auto",
            skip_corrupt=config.skip_corrupt,
        )
        encoder = Encoder(model, [modality])
        for corruption in _corruptions(data, modality, split):
            predicted = []
            for severity in SEVERITIES:
                encodings = list(test.values.values())
                changed = encoder(data.evaluate(split, corruption.in_graph(severity)))
                encodings[m] = changed.values[modality]
                encodings = [e[test.complete] for e in encodings]
                predicted.append(head_logits(model.head, encodings).argmax(axis=1))
                advance(f"{corruption.name}, severity {severity}")
            found[corruption] = np.stack(predicted)
    return found


def _corruptions(data: Pipeline, modality: str, split: str) -> tuple[Corruption, ...]:
    if modality == "video":
        return video_corruptions()
    other = "train" if split != "train" else "test"
    if not data.info.splits[other].clips:
        return audio_corruptions()
    voices = data.cut(other).take(_VOICES).as_numpy_iterator()
    return audio_corruptions(np.stack([clip["audio"] for clip in voices]))


def subject_names(a: Config, b: Config) -> tuple[str, str]:
    """What tells two runs apart: AMR if that is it, else the method, else the directories."""
    weights = [c.effective_amr_weight > 0 for c in (a, b)]
    if a.method == b.method and weights[0] != weights[1]:
        return tuple("with AMR" if w else "without AMR" for w in weights)
    if a.method != b.method and weights[0] == weights[1]:
        return f"by {a.method}", f"by {b.method}"
    paths = [pathlib.Path(c.model_dir) for c in (a, b)]
    same = paths[0].name == paths[1].name
    return tuple(f"in {path if same else path.name}" for path in paths)
