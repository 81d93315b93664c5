"""What `.keras` files keep of a classifier: its parts, and both optimizers with their state."""

import warnings
from typing import Any

import keras


class SavedModelParts:
    """The part of `MultimodalClassifier` that Keras calls to save and load."""

    def get_config(self) -> dict[str, Any]:
        """Encoders, head and method, so that `.keras` files load without code."""
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "encoders": [[m, serialize(getattr(self, f"{m}_encoder"))] for m in self.modalities],
            "head": serialize(self.head),
            "method": serialize(self.method),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model that `get_config` described."""
        restore = keras.saving.deserialize_keras_object
        return cls(
            {m: restore(e, custom_objects=custom_objects) for m, e in config["encoders"]},
            restore(config["head"], custom_objects=custom_objects),
            restore(config["method"], custom_objects=custom_objects),
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
            "amr_ratio": list(self.regularizer.ratio) if self.regularizer else None,
            "amr_optimizer": serialize(self.amr_optimizer) if self.amr_optimizer else None,
            "amr_target": self.amr_target,
            "accumulate": self.accumulate,
            "skip_nonfinite": self.skip_nonfinite,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles as `get_compile_config` described; both optimizers' state can then be loaded."""
        restore = keras.saving.deserialize_keras_object
        optimizers = {
            name: restore(config[name]) if config[name] else None
            for name in ("optimizer", "amr_optimizer")
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said when it was compiled first
            self.compile(**{**config, **optimizers})
