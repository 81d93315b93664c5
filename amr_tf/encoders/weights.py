"""The initial weights of an encoder: those of a saved one."""

import pathlib

import keras

from amr_tf.encoders.applications import adjust_statistics, backbone_of, read_published
from amr_tf.saving import load_model


def load_weights(encoder: keras.Model, path: str | pathlib.Path) -> None:
    """Gives an encoder the weights of a saved one.

    Example:
        >>> trained = amr_tf.encoders.mlp((5,), width=4, seed=1)
        >>> trained.save_weights(directory / "audio.weights.h5")
        >>> encoder = amr_tf.encoders.mlp((5,), width=4)
        >>> amr_tf.encoders.load_weights(encoder, directory / "audio.weights.h5")
        >>> all(np.array_equal(*w) for w in zip(trained.get_weights(), encoder.get_weights()))
        True

    Args:
        encoder: Model, the encoder.
        path: Path of a `.keras` model or a `.weights.h5` file of the same architecture; the height,
            width and number of frames of its input may differ where it ends in an average (c3d,
            slow_fusion and late_fusion end in a dense layer of the input's size). For a network of
            `keras.applications`, also a file of that network without its classifier, the `.h5`
            files that Keras publishes included.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is neither, cannot be read, or holds another architecture.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"weights of the {encoder.name}: {path} does not exist")
    try:
        saved = _read(encoder, path)
    except Exception as error:  # zip, HDF5, JSON and Keras each have their own
        raise ValueError(f"weights of the {encoder.name}: {path} does not fit: {error}") from error
    if saved is not None:
        _check_same(encoder, saved, path)
        encoder.set_weights(saved.get_weights())
    adjust_statistics(encoder)


def _read(encoder: keras.Model, path: pathlib.Path) -> keras.Model | None:
    """The saved model; None where the encoder has read its weights itself."""
    if path.suffix == ".keras":
        return load_model(path, compile=False)
    published = backbone_of(encoder) is not None
    if path.name.endswith(".weights.h5"):
        try:
            encoder.load_weights(path)
            return None
        except Exception:
            if not published:
                raise
    if path.suffix == ".h5" and published:
        return read_published(encoder, path)
    raise ValueError("expected a name that ends in .keras or .weights.h5")


def _check_same(encoder: keras.Model, saved: keras.Model, path: pathlib.Path) -> None:
    """Refuses weights that are not, one by one, of the encoder's shapes."""
    wanted, found = ([tuple(w.shape) for w in model.weights] for model in (encoder, saved))
    if wanted == found:
        return
    where = next(
        (f"{w} here, {f} there" for w, f in zip(wanted, found, strict=False) if w != f),
        f"{len(wanted)} weights here, {len(found)} there",
    )
    raise ValueError(
        f"weights of the {encoder.name}: {path} holds {saved.name!r}, of another architecture "
        f"or width: {where}"
    )
