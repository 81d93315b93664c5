"""Gradients that are scaled modality by modality."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def encoder_of(model: Any, variables: Sequence) -> list[int | None]:
    """The index of the modality whose encoder each variable is in, None for other variables."""
    return owner_of([[encoder] for encoder in model.encoders.values()], variables)


def owner_of(parts: Sequence[Sequence[Any]], variables: Sequence) -> list[int | None]:
    """The index of the modality that each variable belongs to, None where it belongs to none.

    Args:
        parts: Sequence of M sequences of layers, each modality's own.
        variables: Sequence of variables.
    """
    index = {
        id(v): m
        for m, layers in enumerate(parts)
        for part in layers
        for v in part.trainable_variables
    }
    return [index.get(id(v)) for v in variables]


def scaled(gradients: Sequence, owners: Sequence[int | None], factors: tf.Tensor) -> list:
    """Gradients times the factor of the modality that they belong to, the others as they are.

    Args:
        gradients: Sequence of tensors, None where a variable has no gradient.
        owners: Sequence of the modalities' indices, as `owner_of` gives them.
        factors: Tensor `[M]`, the modalities' factors.
    """
    return [
        g if g is None or m is None else g * tf.cast(factors[m], g.dtype)
        for g, m in zip(gradients, owners, strict=True)
    ]
