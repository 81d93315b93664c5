"""The tape of a train step: encoders in parts (gradient accumulation), gradients scaled."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from amr_tf import _compat


class Tape:
    """A persistent `tf.GradientTape` that a train step records encoders, head and losses on.

    *Parts.* With several, each encoder runs on one part of the batch after the other and nothing
    of it is kept but the encodings. Head, method and regulariser then see the whole batch, so a^m,
    OGM's scores and every loss are the whole batch's. For a gradient the encoders run once more,
    part by part, each from the state (dropout counters, moving averages) that it had, and the
    parts' gradients add up: exact, for one more forward pass (gradient caching, Gao et al. 2021,
    arXiv 2101.06983, section 3). Only batch normalisation sees parts instead of batches.

    *Scale.* Gradients are taken of `scale` times the target and divided by it again: what lies
    between in float16 keeps its small numbers.

    Args:
        scale: float32 scalar, None for none.
    """

    def __init__(self, scale: tf.Tensor | None = None) -> None:
        self._tape = tf.GradientTape(persistent=True)
        self._scale = scale
        self._encoded: list[_Parts] = []

    def __enter__(self) -> "Tape":
        self._tape.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._tape.__exit__(*error)

    def encode(self, model: Any, inputs: dict[str, tf.Tensor], parts: int = 1) -> list[tf.Tensor]:
        """Encodings in training mode, M tensors `[B, ...]`; call it within the tape.

        Args:
            model: The classifier.
            inputs: Mapping, modality -> features, as for `MultimodalClassifier.encode`.
            parts: Integer, the number of parts of the batch, at most B.
        """
        if parts == 1:
            return model.encode(inputs, training=True)
        self._encoded = [_Parts(model, name, inputs, parts) for name in model.modalities]
        with self._tape.stop_recording():
            encodings = [e.forward() for e in self._encoded]
        self._tape.watch(encodings)
        for e, encoding in zip(self._encoded, encodings, strict=True):
            e.encoding = encoding
        return encodings

    def watch(self, tensors: Sequence[tf.Tensor]) -> None:
        """Makes gradients available at tensors that were made before the tape began."""
        self._tape.watch(tensors)

    def gradient(
        self,
        target: Any,
        sources: Sequence,
        upstream: Sequence[tf.Tensor] | None = None,
    ) -> list:
        """Gradients of the target, None where there is no path.

        Args:
            target: A scalar that was computed within the tape, or tensors.
            sources: Variables, or tensors of the tape.
            upstream: Sequence of tensors of the targets' shapes, the gradients with respect to
                the targets; for a scalar 1.
        """
        sources = list(sources)
        leaves = [e.encoding for e in self._encoded]
        seed: Any = upstream
        if self._scale is not None:
            scale = self._scale
            if upstream is None:
                seed = tf.cast(scale, target.dtype)
            else:
                seed = [u * tf.cast(scale, u.dtype) for u in upstream]
        found = self._tape.gradient(target, [*sources, *leaves], output_gradients=seed)
        gradients, of_encodings = found[: len(sources)], found[len(sources) :]
        for parts, gradient in zip(self._encoded, of_encodings, strict=True):
            if gradient is not None:
                gradients = added(gradients, parts.backward(gradient, sources))
        if self._scale is None:
            return gradients
        return [None if g is None else g / tf.cast(self._scale, g.dtype) for g in gradients]


def encode_in_use(model: Any, inputs: dict[str, tf.Tensor], parts: int = 1) -> list[tf.Tensor]:
    """Encodings in inference mode, M tensors `[B, ...]`, without gradients.

    Args:
        model: The classifier.
        inputs: Mapping, modality -> features, as for `MultimodalClassifier.encode`.
        parts: Integer, the number of parts of the batch, at most B.
    """
    if parts == 1:
        return model.encode(inputs)
    return [_Parts(model, name, inputs, parts, False).forward() for name in model.modalities]


class _Parts:
    """One encoder and what it has to encode, part by part."""

    encoding: tf.Tensor

    def __init__(
        self,
        model: Any,
        name: str,
        inputs: dict[str, tf.Tensor],
        parts: int,
        training: bool = True,
    ) -> None:
        self._encode = lambda part: model.encoding(name, part, training=training)
        self._encoder = model.encoders[name]
        self._parts = parts
        self._inputs = {k: x for k, x in inputs.items() if k not in model.modalities or k == name}
        size = tf.shape(inputs[name])[0]
        few = tf.debugging.assert_greater_equal(
            size, parts, f"a batch is split into {parts} parts: it needs as many samples"
        )
        with tf.control_dependencies([few] if few is not None else []):
            self._bounds = [size * k // parts for k in range(parts + 1)]
        self._state = _compat.changing_state(self._encoder)
        self._start = [tf.identity(v) for v in self._state]

    def forward(self) -> tf.Tensor:
        """The encodings of the whole batch."""
        encodings: list[tf.Tensor] = []
        for k in range(self._parts):
            encodings.append(self._encode(self._part(k, after=encodings[-1:])))
        return tf.concat(encodings, axis=0)

    def backward(self, upstream: tf.Tensor, sources: list) -> list:
        """Gradients of `sources` through the encoder, None for what is not the encoder's."""
        own = {id(v) for v in self._encoder.trainable_variables}
        wanted = [v for v in sources if id(v) in own]
        if not wanted:
            return [None] * len(sources)
        for variable, value in zip(self._state, self._start, strict=True):
            variable.assign(value)
        total: list = [None] * len(wanted)
        for k in range(self._parts):
            # in turn, and none before the head is through: memory holds one part's activations
            part = self._part(k, after=[upstream, *(g for g in total if g is not None)])
            with tf.GradientTape() as tape:
                encoding = self._encode(part)
            seed = upstream[self._bounds[k] : self._bounds[k + 1]]
            total = added(total, tape.gradient(encoding, wanted, output_gradients=seed))
        by_id = dict(zip(map(id, wanted), total, strict=True))
        return [by_id.get(id(v)) for v in sources]

    def _part(self, k: int, after: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        with tf.control_dependencies(list(after)):
            return {
                name: tf.identity(x[self._bounds[k] : self._bounds[k + 1]])
                for name, x in self._inputs.items()
            }


def added(a: Sequence, b: Sequence) -> list:
    """The sums of two lists of gradients, None where neither has one."""
    return [
        y if x is None else x if y is None else tf.convert_to_tensor(x) + tf.convert_to_tensor(y)
        for x, y in zip(a, b, strict=True)
    ]
