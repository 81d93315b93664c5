"""Keras' policy of dtypes, for what is built under it."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def built_under(policy: str) -> Iterator[None]:
    """Layers that are built within compute as the policy says, for good."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
