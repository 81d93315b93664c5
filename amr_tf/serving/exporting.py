"""Exports a classifier as a SavedModel that stock TensorFlow Serving loads.

    DIRECTORY/
      models.config                              for TensorFlow Serving
      <version>/
        saved_model.pb, variables/               the signatures of `amr_tf.serving.signatures`
        assets/classes.txt, assets/model.json    class names; all that features are made with
        assets.extra/tf_serving_warmup_requests  one request a signature

Feature extraction is inside the graph: a client sends clips as they are.
"""

import json
import pathlib
import tempfile
from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf

from amr_tf.modalities import Modality
from amr_tf.model import MultimodalClassifier
from amr_tf.serving import warmup
from amr_tf.serving.signatures import SIGNATURES, ServedClassifier, served_inputs

NAME = "amr"  # under which TensorFlow Serving offers the model
MODELS_CONFIG = "models.config"
_MODELS_CONFIG = f"""\
# docker run -p 8500:8500 -p 8501:8501 -v THIS_DIRECTORY:/models/{NAME} tensorflow/serving \\
#   --model_config_file=/models/{NAME}/{MODELS_CONFIG}
model_config_list {{
  config {{
    name: "{NAME}"
    base_path: "/models/{NAME}"
    model_platform: "tensorflow"
  }}
}}
"""


def export(
    model: MultimodalClassifier,
    directory: str | pathlib.Path,
    classes: tuple[str, ...],
    inputs: Mapping[str, Modality] | None = None,
    notes: Mapping[str, Any] | None = None,
    extra: Mapping[str, str] | None = None,
) -> pathlib.Path:
    """Writes `directory/<version>/`, the version one above the highest that is there.

    A version appears whole or not at all, and is never written again. An existing `models.config`
    is not overwritten: it may have been edited.

    Example:
        >>> modality = amr_tf.modalities.FeaturesConfig
        >>> kinds = {"audio": modality((5,)), "video": modality((7,))}
        >>> version = amr_tf.serving.export(model, directory, ("a", "b", "c"), kinds)
        >>> served = tf.saved_model.load(str(version)).signatures["serving_default"]
        >>> sorted(served(**inputs))
        ['class_id', 'label', 'probabilities', 'shares']

    Args:
        model: MultimodalClassifier, made outside of a distribution strategy.
        directory: Path of the versions.
        classes: Strings, the class names by id, or those of the numbers; also in `assets/`.
        inputs: Mapping, modality -> its input, of those for which the model has no features layer.
        notes: Mapping, further entries of `assets/model.json`.
        extra: Mapping, file name -> text, further files of `assets.extra/`.

    Returns:
        The version's directory.

    Raises:
        ValueError: A class name is empty or has a line break, there are more or fewer than the
            model has classes, an input is not known or not the model's, or `notes` or `extra` would
            take the place of something.
    """
    inputs = served_inputs(model, inputs)
    description = {
        "modalities": list(model.modalities),
        "classes": list(classes),
        "task": model.task.describe(),
        **{name: {**m.describe(), "rules": dict(m.rules)} for name, m in inputs.items()},
    }
    for name in classes:
        if name.splitlines() != [name]:
            raise ValueError(f"a class name must be one line of text, not {name!r}")
    _check_free("notes", notes or {}, description)
    _check_free("extra", extra or {}, (warmup.FILE,))
    served = ServedClassifier(model, tuple(classes), inputs)
    description |= notes or {}
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".part-") as part:
        files = pathlib.Path(part) / "files"
        files.mkdir()
        (files / "classes.txt").write_text("".join(f"{name}\n" for name in classes), "utf-8")
        (files / "model.json").write_text(json.dumps(description, indent=2) + "\n")
        served.assets = [tf.saved_model.Asset(str(file)) for file in sorted(files.iterdir())]
        made = pathlib.Path(part) / "model"
        signatures = {name: served.signature(name) for name in SIGNATURES}
        tf.saved_model.save(served, str(made), signatures)
        (made / "assets.extra").mkdir()
        warmup.write(made / "assets.extra", NAME, warmup.requests(inputs))
        for name, text in (extra or {}).items():
            (made / "assets.extra" / name).write_text(text, "utf-8")
        version = _publish(made, directory)
        _write_models_config(pathlib.Path(part), directory)
    return version


def newest_version(directory: str | pathlib.Path) -> pathlib.Path:
    """The version to use of what may be an export or one of its versions.

    Example:
        >>> for version in ("1", "2", "10"):
        ...     (directory / version).mkdir()
        ...     (directory / version / "saved_model.pb").touch()
        >>> amr_tf.serving.newest_version(directory).name
        '10'

    Raises:
        FileNotFoundError: There is none.
    """
    directory = pathlib.Path(directory)
    found = [path for path in directory.glob("*/saved_model.pb") if path.parent.name.isdigit()]
    if (directory / "saved_model.pb").is_file():
        return directory
    if not found:
        raise FileNotFoundError(
            f"{directory} holds no export: name a directory that `trainers.export` wrote, or one "
            "of its versions"
        )
    return max((path.parent for path in found), key=lambda path: int(path.name))


def _check_free(argument: str, given: Mapping[str, Any], taken: Collection[str]) -> None:
    for name in given:
        if name in taken:
            raise ValueError(f"{argument}: {name} is there already, and must stay as it is")


def _publish(made: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Renames to the next free version; another export at the same moment takes another one."""
    made.chmod(0o755)
    while True:
        versions = [int(path.name) for path in directory.iterdir() if path.name.isdigit()]
        version = directory / str(max(versions, default=0) + 1)
        try:
            return made.rename(version)
        except OSError:
            if not version.exists():
                raise


def _write_models_config(part: pathlib.Path, directory: pathlib.Path) -> None:
    if not (directory / MODELS_CONFIG).exists():
        (part / MODELS_CONFIG).write_text(_MODELS_CONFIG)
        (part / MODELS_CONFIG).rename(directory / MODELS_CONFIG)
