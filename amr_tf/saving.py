"""Saves classifiers in `.keras` files, and loads them without trusting the files.

A file keeps the classifier's parts, and both optimizers with their state.
"""

import json
import pathlib
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import keras

from amr_tf._registry import is_trusted, trust
from amr_tf._sgd import SGD as SGD  # registers it: files of models name it

__all__ = ["SavedModelParts", "load_model", "trust"]

# Where the classes are that a file may name. Keras itself imports whatever module is named.
_MODULES = (
    "keras", "keras.activations", "keras.constraints", "keras.dtype_policies", "keras.initializers",
    "keras.layers", "keras.losses", "keras.metrics", "keras.mixed_precision", "keras.models",
    "keras.optimizers", "keras.optimizers.experimental", "keras.optimizers.legacy",
    "keras.optimizers.schedules", "keras.regularizers", "keras.src.engine.functional",
    "keras.src.engine.sequential", "keras.src.models.functional", "keras.src.models.sequential",
)  # fmt: skip
# Layers of Keras that bring code, or read files that a model file names.
_REFUSED = (
    "Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer",
    "StringLookup", "IntegerLookup", "TextVectorization",
)  # fmt: skip
_MOST = 8  # times its own size that a file may unpack to; Keras does not compress


def load_model(path: str | pathlib.Path, compile: bool = True) -> keras.Model:
    """Loads a `.keras` file of known parts: no code that it brings runs.

    Known are the parts of Keras and of this library, and the classes of modules that registered a
    plug-in in this process or that `trust` names.

    Keras's safe mode is not enough: it refuses Lambda layers, but Keras 2.15 imports whatever
    module a file names, and takes HDF5 files and SavedModels, Lambda layers included, under that
    name too.

    Example:
        >>> model.save(directory / "model.keras")
        >>> loaded = amr_tf.load_model(directory / "model.keras")
        >>> loaded.modalities
        ('audio', 'video')

    Args:
        path: Path of the file.
        compile: Boolean, whether to restore the optimizers, too.

    Returns:
        The model.

    Raises:
        ValueError: It is not such a file, it is damaged, or it names something else.
    """
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as file:
            size = sum(entry.file_size for entry in file.infolist())
            if size > _MOST * path.stat().st_size:
                raise ValueError(f"unpacks to {size:,} bytes")
            config = json.loads(file.read("config.json"))
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is not a whole .keras file: {reason}") from error
    for part in _parts(config):
        if not _known(part):
            name = f"{part.get('module') or '?'}.{part.get('class_name')}"
            if part.get("class_name") == "function":
                name = f"the function {part.get('module')}.{part.get('config')}"
            raise ValueError(
                f"{path} is refused: it holds {name}, and such a file could run code or read other "
                "files; known are layers of Keras (no Lambda, no lookup tables), of amr_tf and of "
                "the modules that --plugins names"
            )
    try:
        return keras.models.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:  # zip, HDF5, JSON and Keras each have their own
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} cannot be loaded: {reason}") from error


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """All objects that a configuration describes, however deep."""
    found = [config]
    while found:
        one = found.pop()
        if isinstance(one, dict):
            if "class_name" in one or "module" in one:
                yield one
            found += one.values()
        elif isinstance(one, list):
            found += one


def _known(part: dict[str, Any]) -> bool:
    module, name = part.get("module"), part.get("class_name")
    if name in _REFUSED or (name is not None and not str(name).isidentifier()):
        return False  # a name with dots would lead on from its module
    if name == "function":
        return module == "keras.activations"
    if name == "LossScaleOptimizerV3":  # of Keras 2.15, under no public name
        return module == "keras.src.mixed_precision.loss_scale_optimizer"
    return module is None or module in _MODULES or is_trusted(str(module))


class SavedModelParts:
    """The part of `MultimodalClassifier` that Keras calls to save and load."""

    def get_config(self) -> dict[str, Any]:
        """Features, encoders, head and method, so that `.keras` files load without code."""
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "encoders": [[m, serialize(getattr(self, f"{m}_encoder"))] for m in self.modalities],
            "features": {m: serialize(layer) for m, layer in self.features_layers.items()},
            "head": serialize(self.head),
            "method": serialize(self.method),
            "task": serialize(self.task),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model that `get_config` described."""
        restore = keras.saving.deserialize_keras_object
        return cls(
            {m: restore(e, custom_objects=custom_objects) for m, e in config["encoders"]},
            restore(config["head"], custom_objects=custom_objects),
            restore(config["method"], custom_objects=custom_objects),
            {m: restore(f, custom_objects=custom_objects) for m, f in config["features"].items()},
            restore(config["task"], custom_objects=custom_objects),
            name=config["name"],
        )

    def get_build_config(self) -> dict[str, Any]:
        """Nothing: the parts are built."""
        return {}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Nothing to do: the parts are built."""

    def get_compile_config(self) -> dict[str, Any]:
        """Both optimizers, weight, ratio and target."""
        serialize = keras.saving.serialize_keras_object
        return {
            "optimizer": serialize(self.optimizer),
            "amr_weight": self.amr_weight,
            "amr_ratio": self._saved_ratio(),
            "amr_optimizer": serialize(self.amr_optimizer) if self.amr_optimizer else None,
            "amr_target": self.amr_target,
            "amr_measure": self.amr_measure,
            "amr_scope": self.amr_scope,
            "accumulate": self.accumulate,
            "skip_nonfinite": self.skip_nonfinite,
            "jit_compile": self.xla_wanted,
            "metrics": [serialize(m) for m in self.step_metrics.own],
            "weighted_metrics": [serialize(m) for m in self.step_metrics.own_weighted],
        }

    def _saved_ratio(self) -> str | list[float] | None:
        if self.moving_ratio is not None:
            return self.amr_ratio  # the numbers are weights
        return list(self.regularizer.ratio) if self.regularizer else None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles as `get_compile_config` described; both optimizers' state can then be loaded."""
        restore = keras.saving.deserialize_keras_object
        optimizers = {
            name: restore(config[name]) if config[name] else None
            for name in ("optimizer", "amr_optimizer")
        }
        metrics = {
            name: [restore(metric) for metric in config.get(name, ())]
            for name in ("metrics", "weighted_metrics")
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said when it was compiled first
            self.compile(**{**config, **optimizers, **metrics})
