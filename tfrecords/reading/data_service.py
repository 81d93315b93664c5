"""The training stream made by other machines, through the tf.data service.

Each of the machines runs `python -m tfrecords.serve`: a dispatcher with one worker of its own. Of
n machines, machine i makes the batches of the steps s with s % n == i, and training takes them in
turn. So the stream is the pipeline's own, bit for bit: a function of (seed, step), whatever n is
and whichever machine is faster, and it can start at any step. (One dispatcher with n workers does
not give that: what its workers make is taken as it arrives, or, when their reads are coordinated,
each of them makes all of it.)

The machines run the pipeline's graph, not its Python: they need the same TensorFlow, and the
records under the same path. Each reads all records, to shuffle as the others do, and parses,
decodes and cuts only those of its own steps.
"""

import pathlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from amr_tf.modalities import Modality
from tfrecords import flac
from tfrecords.reading import machines
from tfrecords.reading.pipeline import Pipeline, batched

PROBE_SECONDS = 60.0  # in which a machine is to have read the first record of each shard

_as_written = tf.autograph.experimental.do_not_convert


class ServedPipeline(Pipeline):
    """A pipeline whose training stream other machines make; evaluation reads here.

    Its batches are those of a `Pipeline` with cache="no".

    Args:
        directory: Path of the records, here and on all machines.
        inputs: Mapping, modality -> the model's input.
        batch_size: Integer, the clips of a step.
        addresses: Strings `host:port`, the machines; see `machines.parse`.
        **options: Mapping, more of `Pipeline`'s arguments.

    Raises:
        ValueError: `Pipeline` raises it, or other machines can't do what the options ask for.
    """

    cached = False

    def __init__(
        self,
        directory: str | pathlib.Path,
        inputs: Mapping[str, Modality],
        batch_size: int,
        addresses: tuple[str, ...],
        **options: Any,
    ) -> None:
        self.addresses = addresses
        # the machines work in directories of their own
        super().__init__(pathlib.Path(directory).absolute(), inputs, batch_size, **options)
        if self.cache == "yes" or self.worker[1] > 1 or options.get("skip_corrupt"):
            raise ValueError(
                "the data service feeds one process, keeps no clips, and reads the shards as they "
                "are: leave worker, cache='yes' and skip_corrupt out"
            )
        codecs = [getattr(self.info.modalities[name], "codec", "") for name in self.modalities]
        if "flac" in codecs and flac.native_decoder() is None:
            raise ValueError(
                "other machines can decode FLAC records only by tensorflow-io, which works with "
                "TensorFlow 2.15: train without --data_service, or build the records with "
                "--audio_codec=pcm16"
            )

    @_as_written
    def train(self, start_step: int = 0) -> tf.data.Dataset:
        """The endless stream of training batches, as `Pipeline.train`."""
        count = len(self.addresses)
        parts = [self._part(start_step, index) for index in range(count)]
        turns = tf.data.Dataset.range(start_step, tf.int64.max).map(lambda step: step % count)
        stream = tf.data.Dataset.choose_from_datasets(parts, turns)
        options = tf.data.Options()
        # what is made elsewhere can't be shared out: each device gets its part of a batch
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return stream.with_options(options).prefetch(tf.data.AUTOTUNE)

    def _part(self, start_step: int, index: int) -> tf.data.Dataset:
        """The batches that one machine makes, each checked to be the one that is due.

        A worker that is started anew may begin again, and nothing in the service says so.
        """
        part = self._stream(start_step, (index, len(self.addresses))).enumerate()
        return part.apply(_through(self.addresses[index])).enumerate().map(_in_its_place)

    def check(self) -> None:
        """Makes sure that every machine answers, and can read these records.

        Raises:
            ServiceError: A machine does not answer, or can't read the records.
            CorruptRecord: The first record of a shard cannot be read.
        """
        machines.require(self.addresses)
        with self.records.naming_corrupt_records():
            wanted = list(self._firsts().as_numpy_iterator())
            for address in self.addresses:
                with machines.naming_failures(address):
                    found = _made(address, self._firsts())
                    _made(address, self._one_clip())
                if found != wanted:
                    raise machines.ServiceError(
                        f"{address} has other records in {self.records.directory} than this "
                        "machine: copy them anew"
                    )

    @_as_written
    def _firsts(self) -> tf.data.Dataset:
        """A number for the first record of each shard."""
        shards = tf.data.Dataset.from_tensor_slices(self._own_shards())
        firsts = shards.flat_map(lambda path: tf.data.TFRecordDataset(path).take(1))
        return firsts.map(lambda record: tf.strings.to_hash_bucket_fast(record, tf.int64.max))

    @_as_written
    def _one_clip(self) -> tf.data.Dataset:
        """The first clip, with all that is done to one."""
        first = tf.data.TFRecordDataset(self._own_shards()).take(1).enumerate()
        return batched(first.map(self._training_clip), 1, drop_remainder=True)


def _through(address: str) -> Callable[[tf.data.Dataset], tf.data.Dataset]:
    """The transformation of a dataset into the same one, made by the machine."""
    service = tf.data.experimental.service
    return service.distribute(service.ShardingPolicy.OFF, f"grpc://{address}")


def _in_its_place(due: tf.Tensor, made: tuple[tf.Tensor, Any]) -> Any:
    number, batch = made
    right = tf.debugging.assert_equal(number, due, machines.LOST_PLACE)
    with tf.control_dependencies([right]):
        return tf.nest.map_structure(tf.identity, batch)


def _made(address: str, dataset: tf.data.Dataset) -> list[Any]:
    """The elements that the machine makes of a dataset; stops waiting, which TensorFlow does not.

    Raises:
        ServiceError: `PROBE_SECONDS` have passed.
    """
    found: list[Any] = []
    failed: list[Exception] = []

    def read() -> None:
        try:
            found.extend(dataset.apply(_through(address)).as_numpy_iterator())
        except tf.errors.OpError as error:
            failed.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if failed:
        raise failed[0]
    if thread.is_alive():
        raise machines.ServiceError(
            f"{address} made nothing in {PROBE_SECONDS:g} s: is it a machine that serves clips? "
            + machines.START
        )
    return found
