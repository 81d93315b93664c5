"""Encoders that nobody registered: `module:function`, and the file of a saved Keras model."""

import functools
import importlib
import inspect
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from amr_tf.encoders.plugins import ANY_KIND, ENCODERS, EncoderPlugin
from amr_tf.saving import load_model, trust


def find_encoder(name: str) -> EncoderPlugin:
    """The encoder that a name stands for.

    Example:
        >>> amr_tf.encoders.find_encoder("mlp").options
        ('width', 'depth')
        >>> amr_tf.encoders.find_encoder("amr_tf.encoders.mlp:mlp").options
        ('width', 'depth')
        >>> amr_tf.encoders.mlp((5,), width=4).save(directory / "mine.keras")
        >>> amr_tf.encoders.find_encoder(str(directory / "mine.keras")).takes("audio")
        True

    Args:
        name: String, one of: a key of `ENCODERS`; `module:function`, which is imported and is to
            make a functional Keras model of `(shape, seed=..., name=..., **options)`, and whose
            module is trusted from now on when saved models are loaded; the path of a saved
            functional model, `*.keras`, which starts with its weights and has no options.

    Returns:
        The plug-in. One that is not registered takes every kind of modality, and its models are
        checked when they are built.

    Raises:
        ValueError: There is no such encoder, module, function or file, or the function takes other
            arguments.
    """
    if name.endswith(".keras"):
        return EncoderPlugin(_of_file(name), (ANY_KIND,))
    if ":" in name:
        return EncoderPlugin(_of_function(name), (ANY_KIND,))
    return ENCODERS.find(name)


def _of_file(path: str) -> Callable[..., keras.Model]:
    """The function that loads a saved model."""
    owner = f"the encoder {path}"
    if not pathlib.Path(path).is_file():
        raise ValueError(f"{owner}: there is no such file")

    def load(shape: tuple[int, ...], seed: int = 0, name: str = "encoder") -> keras.Model:
        try:
            model = load_model(path, compile=False)
        except ValueError as error:
            raise ValueError(f"{owner}: {error}") from error
        return _checked(model, shape, name, owner)

    return load


def _of_function(place: str) -> Callable[..., keras.Model]:
    """The function `module:function`, its models checked."""
    owner = f"the encoder {place}"
    module_name, _, function_name = place.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the module's own code raises
        raise ValueError(
            f"{owner}: the module {module_name!r} cannot be imported: {error}"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ValueError(f"{owner}: {module_name} has no function {function_name!r}")
    _check_arguments(function, owner)
    for trusted in (module_name, getattr(function, "__module__", None)):
        if trusted:
            trust(trusted)

    @functools.wraps(function)
    def build(shape: tuple[int, ...], **arguments: Any) -> keras.Model:
        model = function(shape, **arguments)
        return _checked(model, shape, arguments.get("name", "encoder"), owner)

    return build


def _check_arguments(function: Callable, owner: str) -> None:
    """Refuses a function that can't be called as `build_encoder` calls it."""
    try:
        inspect.signature(function).bind((1,), seed=0, name="encoder", vocabulary_size=2)
    except TypeError:  # one argument too many: not every encoder is one of texts
        try:
            inspect.signature(function).bind((1,), seed=0, name="encoder")
        except TypeError as error:
            raise ValueError(
                f"{owner} must be a function of (shape, seed=..., name=...), and of options that "
                f"have defaults: {error}"
            ) from error


def _checked(model: Any, shape: tuple[int, ...], name: str, owner: str) -> keras.Model:
    """The model under its name, if it is an encoder of such samples.

    Raises:
        ValueError: It is not such an encoder.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"{owner} is not a Keras model, but {type(model).__name__!r}")
    inputs, outputs = (getattr(model, ends, None) or [] for ends in ("inputs", "outputs"))
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            f"{owner} must be a functional Keras model of one input and one output: "
            f"{model.name!r} has {len(inputs)} and {len(outputs)}"
        )
    found, encoding = tuple(inputs[0].shape), tuple(outputs[0].shape)
    fits = len(found) == len(shape) + 1 and all(
        a is None or b is None or a == b for a, b in zip(found[1:], shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{owner} takes samples of shape {found[1:]}, but those of this modality have the "
            f"shape {tuple(shape)}"
        )
    if len(encoding) < 2 or encoding[0] is not None or None in encoding[1:]:
        raise ValueError(
            f"{owner} must give encodings [B, ...] of any number of samples and of a known size, "
            f"not {encoding}"
        )
    if model.name == name:
        return model
    return keras.Model(inputs[0], outputs[0], name=name)  # of the same layers
