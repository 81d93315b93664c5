"""Passes of a function over a dataset, on all of a model's replicas, and over arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf._context import inputs_by_name, outputs_of
from amr_tf._functions import graph_of
from amr_tf._presence import PRESENCE, complete_samples, kept


class Pass:
    """Runs a function over the batches of a dataset and gathers what it gives of each sample.

    Make one and keep it: its graph is made once.

    Args:
        model: MultimodalClassifier, whose replicas run it, compiled by XLA where its steps are.
        function: Function, (inputs, labels `[B, ...]`) -> dictionary of tensors `[B, ...]`, none of
            them boolean: several workers can't gather those.
    """

    def __init__(self, model: Any, function: Callable) -> None:
        self._strategy = strategy = model.distribute_strategy
        self._xla = model.xla
        if model.xla:
            function = graph_of(function, jit_compile=True, reduce_retracing=True)

        def of_replica(data: Any) -> dict[str, tf.Tensor]:
            inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
            labels = model.task.labels(labels, outputs_of(model.head))
            real = weights if self._xla else tf.ones(tf.shape(labels)[:1])
            return {**function(inputs, labels), "real": real}

        def of_batch(batch: Any) -> dict[str, tf.Tensor]:
            found = strategy.run(of_replica, args=(batch,))
            return {name: strategy.gather(each, axis=0) for name, each in found.items()}

        self._of_batch = graph_of(of_batch, reduce_retracing=True)

    def __call__(self, dataset: tf.data.Dataset) -> dict[str, np.ndarray]:
        """Returns the function's results for each sample, in order, as arrays `[N, ...]`.

        Several workers each give the whole dataset and get all results, out of order.

        Args:
            dataset: Dataset of (inputs, class ids), not empty.
        """
        dataset = _of_one_size(dataset) if self._xla else dataset
        parts = [self._of_batch(batch) for batch in by_sample(self._strategy, dataset)]
        found = {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}
        real = found.pop("real") > 0
        return {name: values[real] for name, values in found.items()}


def by_sample(strategy: tf.distribute.Strategy, dataset: tf.data.Dataset) -> Any:
    """Distributes batches over replicas; several workers share them by the sample, not the file.

    Args:
        strategy: Strategy, whose replicas share the batches.
        dataset: Dataset of batches.

    Returns:
        The distributed dataset.
    """
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return strategy.experimental_distribute_dataset(dataset.with_options(options))


def _of_one_size(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Batches of one size, that of the first: XLA would compile a smaller last one anew.

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


def encoder_outputs(
    model: Any, modalities: Sequence[str], inputs: Any, labels: tf.Tensor
) -> dict[str, tf.Tensor]:
    """The function of a `Pass` that gives some modalities' encodings, in inference mode.

    Args:
        model: MultimodalClassifier, whose encoders run.
        modalities: Sequence of strings, the modalities to encode.
        inputs: Structure of their inputs; `presence`, if there, has a column for each of them.
        labels: Tensor `[B, ...]`.

    Returns:
        `labels` `[B, ...]`, `complete` `[B]`, and `encoding_<index>` `[B, ...]` in float32, zero
        where a sample lacks the modality.
    """
    inputs = inputs_by_name(inputs, tuple(modalities))
    out = {"labels": labels, "complete": complete_samples(inputs, labels)}
    presence = inputs.get(PRESENCE)
    for m, name in enumerate(modalities):
        x = model.features({name: inputs[name]})[name]
        # its column is among these modalities, not among all of the model's
        x = x if presence is None else kept(x, presence[:, m])
        e = tf.cast(model.encoding(name, {name: x}), tf.float32)
        out[f"encoding_{m}"] = e if presence is None else kept(e, presence[:, m])
    return out


def in_batches(function: Callable, *arrays: np.ndarray, size: int = 1024) -> Any:
    """Applies a function of tensors to the rows of arrays, some at a time, and joins the results.

    Args:
        function: Function, tensors `[b, ...]`, one per array -> a tensor `[b, ...]` or a
            structure of such tensors.
        *arrays: Arrays `[N, ...]`, N of 1 or more.
        size: Integer, the rows at a time.

    Returns:
        NumPy arrays `[N, ...]` in the function's structure.
    """
    parts = [
        function(*(tf.convert_to_tensor(a[start : start + size]) for a in arrays))
        for start in range(0, len(arrays[0]), size)
    ]
    return tf.nest.map_structure(lambda *p: np.concatenate([x.numpy() for x in p]), *parts)
