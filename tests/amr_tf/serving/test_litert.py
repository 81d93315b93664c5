"""The export runs under LiteRT (TensorFlow Lite) and answers there what the SavedModel answers."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.serving import exporting
from tests.amr_tf.serving.served import AUDIO, CLASSES, VIDEO, pixels, small_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return exporting.export(small_model(), tmp_path_factory.mktemp("lite"), CLASSES)


def clips(n):
    rng = np.random.default_rng(0)
    return {
        "audio": rng.integers(-9000, 9000, (n, AUDIO.samples), dtype=np.int16),
        "video": pixels(rng, n, VIDEO.frames, VIDEO.size, VIDEO.size),
    }


def test_clips_of_one_by_builtin_operations_alone(saved):
    """As README says: the signature at a batch of one."""
    loaded = tf.saved_model.load(str(saved))
    served = loaded.signatures["serving_default"]
    one = {
        name: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, name)
        for name, spec in served.structured_input_signature[1].items()
    }
    function = tf.function(lambda **clip: served(**clip)).get_concrete_function(**one)
    made = tf.lite.TFLiteConverter.from_concrete_functions([function], loaded).convert()
    lite = tf.lite.Interpreter(model_content=made)
    lite.allocate_tensors()
    clip = clips(1)
    for given in lite.get_input_details():
        (name,) = [n for n, x in clip.items() if x.dtype == given["dtype"]]
        lite.set_tensor(given["index"], clip[name])
    lite.invoke()
    wanted = served(**{name: tf.constant(x) for name, x in clip.items()})
    by_shape = {
        value.shape: lite.get_tensor(found["index"])
        for found in lite.get_output_details()
        if (value := lite.get_tensor(found["index"])).dtype == np.float32
    }
    for name in ("probabilities", "shares"):
        np.testing.assert_allclose(by_shape[tuple(wanted[name].shape)], wanted[name], atol=1e-4)


@pytest.mark.parametrize("name", ["serving_default", "explain"])
def test_batches_of_any_size_with_tensorflows_operations(name, saved):
    """A gradient at a batch of unknown size has operations that LiteRT takes of TensorFlow."""
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=[name])
    sets = tf.lite.OpsSet
    converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS, sets.SELECT_TF_OPS]
    model = converter.convert()
    if not tf.__version__.startswith("2.15."):
        return  # its interpreter comes without TensorFlow's operations
    lite = tf.lite.Interpreter(model_content=model)
    found = lite.get_signature_runner(name)(**clips(3))
    wanted = tf.saved_model.load(str(saved)).signatures[name](
        **{key: tf.constant(x) for key, x in clips(3).items()}
    )
    for key, value in wanted.items():
        if key != "label":
            np.testing.assert_allclose(found[key], value, atol=1e-4, err_msg=key)
