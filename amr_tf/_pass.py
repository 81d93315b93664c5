"""One pass of a function over a dataset in inference mode, on all of a model's replicas."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


class Pass:
    """Runs a function over the batches of a dataset and gathers what it gives of each sample.

    Make one and keep it: its graph is made once.

    Args:
        model: MultimodalClassifier, whose replicas run it, compiled by XLA where its steps are.
        function: Function, (inputs, class ids `[B]`) -> dictionary of tensors `[B, ...]`, none of
            them boolean: several workers can't gather those.
    """

    def __init__(self, model: Any, function: Callable) -> None:
        self._strategy = strategy = model.distribute_strategy
        self._xla = model.xla
        if model.xla:
            function = tf.function(function, jit_compile=True, reduce_retracing=True)

        def of_replica(data: Any) -> dict[str, tf.Tensor]:
            inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
            real = weights if self._xla else tf.ones_like(labels, tf.float32)
            return {**function(inputs, labels), "real": real}

        @tf.function(reduce_retracing=True)
        def of_batch(batch: Any) -> dict[str, tf.Tensor]:
            found = strategy.run(of_replica, args=(batch,))
            return {name: strategy.gather(each, axis=0) for name, each in found.items()}

        self._of_batch = of_batch

    def __call__(self, dataset: tf.data.Dataset) -> dict[str, np.ndarray]:
        """What the function gives of each sample, in the dataset's order, as arrays `[N, ...]`.

        Several workers each give the whole dataset and get all results, out of order.

        Args:
            dataset: Dataset of (inputs, class ids), not empty.
        """
        options = tf.data.Options()  # several workers share it by the sample, not by the file
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        dataset = (_of_one_size(dataset) if self._xla else dataset).with_options(options)
        parts = [self._of_batch(b) for b in self._strategy.experimental_distribute_dataset(dataset)]
        found = {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}
        real = found.pop("real") > 0
        return {name: values[real] for name, values in found.items()}


def _of_one_size(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Batches of the size of the first: XLA would compile a smaller last one anew.

    Args:
        dataset: Dataset of (inputs, class ids).

    Returns:
        Dataset of (inputs, class ids, 1.0 for a real sample `[B]`), filled up with zeros.
    """

    def fill(size: tf.Tensor, batch: Any) -> tuple[tf.Tensor, Any]:
        inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
        count = tf.shape(labels)[0]
        size = tf.maximum(size, count)

        def filled(x: tf.Tensor) -> tf.Tensor:
            rest = tf.zeros(tf.concat([[size - count], tf.shape(x)[1:]], 0), x.dtype)
            return tf.concat([x, rest], 0)

        inputs, labels = tf.nest.map_structure(filled, (inputs, labels))
        return size, (inputs, labels, tf.cast(tf.range(size) < count, tf.float32))

    return dataset.scan(0, fill)
