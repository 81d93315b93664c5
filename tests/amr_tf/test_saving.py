"""Model files from somewhere else: what they name is not imported, what they bring is not run."""

import json
import pathlib
import zipfile

import keras
import pytest

from amr_tf import saving
from amr_tf.encoders import build_encoder
from tests.amr_tf.models import classifier

SHAPE = (12, 9, 1)


def dense(path, layer=None):
    """A model of one layer in a file."""
    keras.Sequential([keras.Input((3,)), layer or keras.layers.Dense(2)]).save(path)
    return path


def touching(path):
    """A Lambda layer that would leave a trace."""
    return keras.layers.Lambda(
        lambda x, path=str(path): (__import__("pathlib").Path(path).touch(), x)[1],
        output_shape=(3,),
    )


def changed(path, change):
    """Rewrites the configuration in a file: `change` gets the last layer's."""
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    config = json.loads(entries["config.json"])
    change(config["config"]["layers"][-1])
    entries["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def test_what_keras_saves_is_loaded(tmp_path):
    model = saving.load_model(dense(tmp_path / "a.keras"))
    assert model.count_params() == 8
    classifier().save(tmp_path / "b.keras")
    assert saving.load_model(str(tmp_path / "b.keras")).optimizer
    assert saving.load_model(tmp_path / "b.keras", compile=False).head.trainable


def test_a_lambda_layer_is_refused_and_does_not_run(tmp_path):
    trace = tmp_path / "trace"
    path = dense(tmp_path / "a.keras", touching(trace))
    trace.unlink(missing_ok=True)  # saving called it
    with pytest.raises(ValueError, match=r"a\.keras is refused: it holds keras\.layers\.Lambda"):
        saving.load_model(path)
    assert not trace.exists()


def test_an_older_format_under_this_name_is_refused(tmp_path):
    """Keras 2.15 reads HDF5 under any name, and there its safe mode does not hold."""
    trace = tmp_path / "trace"
    dense(tmp_path / "a.h5", touching(trace)).rename(tmp_path / "a.keras")
    trace.unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"a\.keras is not a whole \.keras file"):
        saving.load_model(tmp_path / "a.keras")
    assert not trace.exists()


def function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda x: x["config"].update(activation=function("builtins", "exec")), "builtins.exec"),
        (lambda x: x["config"].update(activation=function("os", "system")), "os.system"),
        (lambda x: x["config"].update(activation=function("keras.utils", "get_file")), "get_file"),
        (lambda x: x.update(module="subprocess", class_name="Popen"), "subprocess.Popen"),
        (lambda x: x.update(module="keras.src.utils", class_name="Sequence"), "keras.src.utils"),
        (lambda x: x.update(module="keras", class_name="layers.Lambda"), "keras.layers.Lambda"),
        (lambda x: x.update(class_name="TFSMLayer", config={"filepath": "/"}), "TFSMLayer"),
        (lambda x: x.update(class_name="StringLookup"), "StringLookup"),
        (lambda x: x.update(class_name="TorchModuleWrapper"), "TorchModuleWrapper"),
        (lambda x: x["config"].update(deep=[[{"class_name": "__lambda__"}]]), "__lambda__"),
        (lambda x: x.update(class_name=["Dense"]), "Dense"),
        (lambda x: x.update(module="amr_tfx.layers"), "amr_tfx.layers.Dense"),
    ],
)  # fmt: skip
def test_other_modules_functions_and_files_are_refused(change, named, tmp_path):
    path = changed(dense(tmp_path / "a.keras"), change)
    with pytest.raises(ValueError, match="is refused: it holds") as error:
        saving.load_model(path)
    assert named in str(error.value)


def test_what_unpacks_to_far_more_is_refused(tmp_path):
    path = dense(tmp_path / "a.keras")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("more", bytes(2**24))
    with pytest.raises(ValueError, match="unpacks to 16,"):
        saving.load_model(path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 no zip", b"text"])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ValueError, match=r"is not a whole \.keras file"):
        saving.load_model(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="No such file"):
        saving.load_model(tmp_path / "b.keras")


def test_a_damaged_configuration_is_one_error(tmp_path):
    path = changed(dense(tmp_path / "a.keras"), lambda x: x.update(config={"units": "many"}))
    with pytest.raises(ValueError, match=r"a\.keras cannot be loaded: "):
        saving.load_model(path)


def test_weights_of_an_encoder_are_loaded_the_same_way(tmp_path):
    trace = tmp_path / "trace"
    path = dense(tmp_path / "a.keras", touching(trace))
    trace.unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"audio_encoder: .*is refused: it holds keras\.layers\.L"):
        build_encoder("small", "audio", SHAPE, width=4, weights=path)
    assert not trace.exists()


def test_nothing_else_loads_models():
    """`saving.load_model` is the one place; and what runs text or code is nowhere."""
    root = pathlib.Path(saving.__file__).parents[1]
    for folder in ("amr_tf", "tfrecords", "trainers"):
        for path in (root / folder).rglob("*.py"):
            text = path.read_text()
            for call in (
                "pickle",
                "allow_pickle",
                " eval(",
                " exec(",
                "os.system",
                "shell=True",
                "yaml",
                "marshal",
                "enable_unsafe_deserialization",
                "safe_mode=False",
            ):
                assert call not in text, f"{call} in {path}"
            if path.name != "saving.py":
                assert "models.load_model" not in text, path
                assert "keras.saving.load_model" not in text, path
