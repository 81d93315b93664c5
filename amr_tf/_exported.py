"""The inputs of a classifier for SavedModels: Keras knows them only of models that were called.

A train step calls the parts. `model.export` and `tf.saved_model.save` ask the whole.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from amr_tf import _compat
from amr_tf._functions import graph_of


class InputSpecs:
    """Modality -> the batch that a call takes: of features layers, of encoders, or of a batch.

    Args:
        model: MultimodalClassifier, with all of its parts.
    """

    def __init__(self, model: Any) -> None:
        self.specs: dict[str, tf.TensorSpec] = {}
        for name, encoder in model.encoders.items():
            layer, inputs = model.features_layers.get(name), getattr(encoder, "inputs", None)
            if layer is not None:
                raw = layer.modality.raw
                self.specs[name] = tf.TensorSpec([None, *raw.shape], raw.dtype, name)
            elif inputs:
                shape, dtype = tuple(inputs[0].shape), tf.as_dtype(inputs[0].dtype)
                self.specs[name] = tf.TensorSpec([None, *shape[1:]], dtype, name)
        self._wanted = model.modalities

    def note(self, inputs: Mapping[str, tf.Tensor]) -> None:
        """Takes from a batch the specs that no part knows, e.g. where encodings are given."""
        for name in self._wanted:
            if name not in self.specs:
                x = inputs[name]
                self.specs[name] = tf.TensorSpec([None, *x.shape[1:]], x.dtype, name)

    def told(self) -> dict[str, tf.TensorSpec]:
        """The specs in the modalities' order.

        Raises:
            ValueError: Neither the parts nor a batch tell the spec of a modality.
        """
        missing = [name for name in self._wanted if name not in self.specs]
        if missing:
            raise ValueError(
                f"what the model takes of {', '.join(missing)} is not known yet: fit or evaluate "
                "it, or call it on a batch, before it is exported"
            )
        return {name: self.specs[name] for name in self._wanted}


class Exported:
    """The part of `MultimodalClassifier` that Keras asks when it writes SavedModels."""

    input_specs: InputSpecs

    def export(self, filepath: str, *args: Any, **options: Any) -> None:
        """`keras.Model.export`: a SavedModel of the call, a dict by modality -> logits `[B, C]`.

        `amr_tf.serving.export` writes one for serving: class names, shares, files as inputs.

        Example:
            >>> model.export(str(directory / "exported"))
            >>> loaded = tf.saved_model.load(str(directory / "exported"))
            >>> loaded.serve(inputs).shape
            TensorShape([12, 3])

        Args:
            filepath: String, the path of a directory.
            *args: Further positional arguments of `keras.Model.export`.
            **options: Further keyword arguments of `keras.Model.export`.
        """
        specs = self.input_specs.told()
        if _compat.KERAS_3:
            options.setdefault("input_signature", [specs])
        super().export(filepath, *args, **options)

    def _get_save_spec(self, dynamic_batch: bool = True, inputs_only: bool = True) -> Any:
        """Keras 2.15 takes what it finds here: the inputs, or positional and named arguments."""
        del dynamic_batch  # it always is
        specs = self.input_specs.told()
        return specs if inputs_only else ([specs], {})

    @property
    def _default_save_signature(self) -> Any:
        """Keras 3 takes what it finds here for `tf.saved_model.save`."""
        specs = self.input_specs.told()
        return graph_of(lambda inputs: self(inputs), input_signature=[specs])
