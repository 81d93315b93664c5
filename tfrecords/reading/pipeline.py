"""Records -> `tf.data`: batches in an order that depends only on (seed, step).

An epoch's order is a permutation made from (seed, epoch), and a clip's random cut comes from
(seed, position in the stream): a stream that starts at step s gives what an uninterrupted one
gives from step s on.
"""

import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import psutil
import tensorflow as tf

from amr_tf.modalities import Augment, Corruption, Modality
from amr_tf.modalities.corruption import MIXED
from tfrecords import schema
from tfrecords.reading import clips
from tfrecords.reading.records import RecordSet

PARALLEL_SHARDS = 16
# bytes of serialised records among which an epoch of a large set is shuffled
SHUFFLE_BYTES = 1 << 30

Sample = tuple[dict[str, tf.Tensor], tf.Tensor]
Change = Callable[[tf.Tensor, clips.CutClip], clips.CutClip]

# datasets made in functions so marked trace what they map as it is written: AutoGraph would take
# seconds of every start to rewrite it all, and nothing of it branches on a tensor
_as_written = tf.autograph.experimental.do_not_convert


class Pipeline:
    """The splits of a record set as datasets.

    Args:
        directory: Path of the records.
        inputs: Mapping, modality -> the model's input; the set's other modalities are neither read
            nor decoded.
        batch_size: Integer, the global batch: clips a step.
        seed: Integer, the seed of order and augmentation.
        cache: String, `auto`, `yes` or `no`: whether decoded clips are kept in memory; `auto`
            where they take less than a quarter of what is free.
        augment: Augment, the random changes of training clips.
        worker: Two integers (index, count). With more than one, each reads its own shards and
            yields batches of the global size: a strategy over several workers gives each step its
            part of one.
        skip_corrupt: Boolean, whether corrupt records are skipped and counted, see `RecordSet`.

    Attributes:
        records: `RecordSet` of the directory.
        info: `DatasetInfo` of the records.
        modalities: Strings, the names of the inputs.

    Raises:
        FileNotFoundError: The directory holds no record set, or a shard is gone.
        ValueError: The records don't fit the inputs, or an argument is impossible.
    """

    def __init__(
        self,
        directory: str | pathlib.Path,
        inputs: Mapping[str, Modality],
        batch_size: int,
        seed: int = 0,
        cache: str = "auto",
        augment: Augment | None = None,
        worker: tuple[int, int] = (0, 1),
        skip_corrupt: bool = False,
    ) -> None:
        self.records = RecordSet(directory, skip_corrupt)
        self.info = self.records.info
        self.inputs = dict(inputs)
        self.modalities = tuple(inputs)
        self.batch_size, self.seed, self.cache, self.worker = batch_size, seed, cache, worker
        self.augment = augment or Augment()
        self._check()
        self._with_presence = not set(self.modalities) <= set(self.info.required)
        self._stored: tf.data.Dataset | None = None
        self._to_change: dict[str, tf.data.Dataset] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Global batches in an epoch; the clips beyond the last full one wait for another."""
        count = self.records.split("train").clips
        if count < self.batch_size:
            raise ValueError(
                f"a global batch of {self.batch_size} exceeds the {count} training clips of "
                f"{self.records.directory}: choose a smaller batch"
            )
        return count // self.batch_size

    @functools.cached_property
    def cached(self) -> bool:
        """Whether decoded training clips are kept in memory; the order depends on it."""
        size = sum(self.info.modalities[name].decoded_bytes for name in self.modalities)
        return self._fits(self.records.split("train").clips * size // self.worker[1])

    @_as_written
    def train(self, start_step: int = 0) -> tf.data.Dataset:
        """The endless stream of training batches.

        Args:
            start_step: Integer, the global step of the first batch.

        Returns:
            ({modality: raw tensor `[B, ...]`}, label int64 `[B]`, or float32 `[B, C]` of several
            labels or numbers), and `presence` `[B, M]` among
            the inputs where records may lack a modality. The model makes features of raw tensors.
        """
        return self._stream(start_step)

    def _stream(self, start_step: int, share: tuple[int, int] = (0, 1)) -> tf.data.Dataset:
        """The batches of the steps s with s % count == index, for a share (index, count)."""
        if self.cached and self._stored is None:
            # made once, outside of the epochs, so that all of them share what it holds
            stored = tf.data.TFRecordDataset(self._own_shards())
            stored = stored.map(self._decoded_clip, num_parallel_calls=tf.data.AUTOTUNE)
            self._stored = stored.cache()
        position = start_step * self.batch_size // self.worker[1]
        stream = self._from(position, self._stored).enumerate(position)
        if share[1] > 1:  # before anything is parsed: to pass a clip over costs its bytes alone
            stream = stream.filter(lambda at, _: at // self.batch_size % share[1] == share[0])
        stream = stream.map(self._training_clip, num_parallel_calls=tf.data.AUTOTUNE)
        stream = batched(stream, self.batch_size, drop_remainder=True)
        return stream.with_options(_options()).prefetch(tf.data.AUTOTUNE)

    @_as_written
    def clips_of_step(self, step: int) -> list[str]:
        """The names of the clips in a step's batch, on a worker those of its part; in their order.

        Args:
            step: Integer, the global step, from 0.
        """
        size = self.batch_size // self.worker[1]
        # as in `train`, with records in the place of what is stored of them
        stored = tf.data.TFRecordDataset(self._own_shards()) if self.cached else None
        return schema.media_ids(self._from(step * size, stored).take(size))

    @_as_written
    def evaluate(self, split: str, change: Change | None = None) -> tf.data.Dataset:
        """A split once, in the order of its records; see `evaluation_batch`.

        Every worker reads the whole split: Keras shares the batches out and gathers the results.

        Args:
            split: String, `train`, `validation` or `test`.
            change: Function that changes each clip, (its position in the split, its cut clip) -> a
                cut clip, as graph operations. Splits that are changed are kept in memory, cut, for
                the next change, if `cache` allows.

        Returns:
            Batches of the form that `train` gives.
        """
        count = self.records.split(split).clips
        if change is None:
            dataset = self.cut(split)
        else:
            if split not in self._to_change:
                self._to_change[split] = self.cut(split)
            dataset = self._to_change[split].enumerate()
            dataset = dataset.map(change, num_parallel_calls=tf.data.AUTOTUNE)
        dataset = dataset.map(self._sample, num_parallel_calls=tf.data.AUTOTUNE)
        size = evaluation_batch(count, self.batch_size)
        dataset = batched(dataset, size, drop_remainder=False)
        batches = tf.data.experimental.assert_cardinality(-(-count // size))
        return dataset.apply(batches).with_options(_options()).prefetch(tf.data.AUTOTUNE)

    @_as_written
    def cut(self, split: str) -> tf.data.Dataset:
        """The cut clips of a split, as `evaluate` reads them; in memory if they fit."""
        count = self.records.split(split).clips
        dataset = tf.data.TFRecordDataset(self.records.shards(split))
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
        dataset = dataset.map(self._evaluation_clip, num_parallel_calls=tf.data.AUTOTUNE)
        size = sum(modality.raw_bytes for modality in self.inputs.values())
        return dataset.cache() if self._fits(count * size) else dataset

    def corruptions(self, others: str = "train") -> dict[str, tuple[Corruption, ...]]:
        """The corruptions of each modality, clips of another split mixed in where it has any.

        Args:
            others: String, the split whose clips are mixed in, e.g. as babble.
        """
        count = self.records.split(others).clips
        clips = list(self.cut(others).take(MIXED).as_numpy_iterator()) if count else []
        return {
            name: tuple(c.of(name) for c in modality.corruptions([clip[name] for clip in clips]))
            for name, modality in self.inputs.items()
        }

    def media_ids(self, split: str) -> list[str]:
        """The clips' names, in the order in which `evaluate` yields them."""
        return self.records.media_ids(split)

    def _from(self, position: int, stored: tf.data.Dataset | None) -> tf.data.Dataset:
        """The endless stream of stored clips, or of records where nothing is stored."""
        size = self.steps_per_epoch * self.batch_size // self.worker[1]
        first = position // size
        if stored is not None:
            stream = self._epochs(first, 1, size, stored)
        else:
            # two streams take turns, an epoch each: while one is read, the other has asked for its
            # next clip, and fills the shuffle buffer that it comes from
            streams = [self._epochs(first + k, 2, size, None).prefetch(1) for k in (0, 1)]
            turns = tf.data.Dataset.range(tf.int64.max).map(lambda clip: clip // size % 2)
            stream = tf.data.Dataset.choose_from_datasets(streams, turns)
        return stream.skip(position % size)

    def _epochs(
        self, first: int, step: int, size: int, stored: tf.data.Dataset | None
    ) -> tf.data.Dataset:
        """Every `step`-th epoch from the first on, one after the other."""
        epochs = tf.data.Dataset.range(first, tf.int64.max, step)
        return epochs.flat_map(lambda epoch: self._epoch(epoch, size, stored))

    def _epoch(
        self, epoch: tf.Tensor, size: int, stored: tf.data.Dataset | None
    ) -> tf.data.Dataset:
        """The first `size` of an epoch's permutation."""
        # tf.random.set_seed must not change the order: `shuffle` mixes the graph's seed in
        tf.compat.v1.get_default_graph().seed = 1
        key = tf.stack([tf.constant(self.seed, tf.int64), epoch])
        order = tf.random.stateless_uniform([], key, 0, tf.int64.max, tf.int64)
        if stored is not None:
            dataset = stored
            buffer = tf.int64.max
        else:
            shards = tf.random.experimental.stateless_shuffle(self._own_shards(), key)
            dataset = tf.data.Dataset.from_tensor_slices(shards).interleave(
                tf.data.TFRecordDataset,
                cycle_length=PARALLEL_SHARDS,
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            buffer = SHUFFLE_BYTES // self.records.record_bytes("train")
        buffer = min(buffer, self.records.split("train").clips)
        dataset = dataset.shuffle(buffer, order, reshuffle_each_iteration=False)
        if self.worker[1] > 1:  # workers' shards differ in size, and all must take equal steps
            dataset = dataset.repeat()
        return dataset.take(size).apply(tf.data.experimental.assert_cardinality(size))

    def _decoded_clip(self, record: tf.Tensor) -> schema.StoredClip:
        return clips.decode(self._parse(record))

    def _training_clip(self, position: tf.Tensor, stored: Any) -> Sample:
        clip = stored if isinstance(stored, dict) else self._parse(stored)
        index, count = self.worker
        key = tf.stack([tf.constant(self.seed, tf.int64), position * count + index])
        return self._sample(clips.cut_for_training(clip, self.inputs, self.augment, key))

    def _evaluation_clip(self, record: tf.Tensor) -> clips.CutClip:
        return clips.cut_for_evaluation(self._parse(record), self.inputs)

    def _parse(self, record: tf.Tensor) -> schema.StoredClip:
        stored = {name: self.info.modalities[name] for name in self.modalities}
        return schema.parse(record, stored, len(self.info.classes), self.info.task)

    def _sample(self, clip: clips.CutClip) -> Sample:
        """A cut clip -> the model's inputs and the label."""
        inputs = {name: clip[name] for name in self.modalities}
        if self._with_presence:
            inputs["presence"] = tf.stack([clip["presence"][name] for name in self.modalities])
        return inputs, clip["label"]

    def _own_shards(self) -> list[str]:
        return self.records.shards("train", self.worker)

    def _fits(self, size: int) -> bool:
        """Whether `size` bytes of decoded clips are to be kept in memory."""
        if self.cache != "auto":
            return self.cache == "yes"
        return 0 < size < psutil.virtual_memory().available // 4

    def _check(self) -> None:
        """Raises ValueError where the records or the arguments do not fit."""
        if not self.modalities:
            raise ValueError("no modality is given: there is nothing to read")
        for name, modality in self.inputs.items():
            self._check_input(name, modality)
        if self.cache not in ("auto", "yes", "no"):
            raise ValueError(f"cache must be auto, yes or no, not {self.cache!r}")
        index, count = self.worker
        if not 0 <= index < count:
            raise ValueError(
                f"worker must be (index, count) with index < count, not {index, count}"
            )
        if self.batch_size < 1 or self.batch_size % count:
            raise ValueError(f"batch_size {self.batch_size} must be a multiple of {count} workers")

    def _check_input(self, name: str, modality: Modality) -> None:
        """Raises ValueError where the records do not hold what a model's input needs."""
        where, stored = self.records.directory, self.info.modalities.get(name)
        if stored is None or stored.kind != modality.stored():
            there = ", ".join(f"{n} ({s.kind})" for n, s in self.info.modalities.items())
            raise ValueError(
                f"{where} holds {there}: the model wants {name} of the kind {modality.kind}"
            )
        if problem := stored.mismatch(modality):
            raise ValueError(f"{where}: {name} holds {problem}")


def batched(dataset: tf.data.Dataset, size: int, drop_remainder: bool) -> tf.data.Dataset:
    """Batches, several of which are filled at a time."""
    return dataset.batch(size, drop_remainder, tf.data.AUTOTUNE, deterministic=True)


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    # workers read their own shards, see `worker`
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options


def evaluation_batch(clips: int, most: int) -> int:
    """The size of the batches in which a split is evaluated.

    The largest whose last batch is half full or has eight clips: devices share batches out, and
    kernels for CPUs fail on a device without samples.

    Args:
        clips: Integer, the clips of the split.
        most: Integer, the global batch of the training.
    """
    sizes = range(min(most, clips), 0, -1)
    return next(size for size in sizes if clips % size == 0 or clips % size >= min(8, size / 2))
