"""Warm-up requests, which TensorFlow Serving runs when it loads a version, before it answers.

`assets.extra/tf_serving_warmup_requests` is a TFRecord file of `tensorflow.serving.PredictionLog`
messages. The package that defines them pins TensorFlow, so the few fields are written here:

    PredictionLog   predict_log 6: PredictLog
    PredictLog      request 1: PredictRequest
    PredictRequest  model_spec 1: ModelSpec, inputs 2: map<string, TensorProto>
    ModelSpec       name 1: string, signature_name 3: string

Source: tensorflow_serving/apis/{prediction_log,predict,model}.proto.
"""

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from amr_tf.modalities import Modality

FILE = "tf_serving_warmup_requests"


def requests(inputs: Mapping[str, Modality]) -> dict[str, dict[str, np.ndarray]]:
    """Signature name -> its inputs, of one silent, black clip of the model's sizes.

    Args:
        inputs: Mapping, modality -> the model's input.
    """
    raw = {name: modality.absent().numpy()[None] for name, modality in inputs.items()}
    files = {name: modality.packed([modality.example_file()]) for name, modality in inputs.items()}
    return {"serving_default": raw, "serving_media": files, "explain": raw}


def write(
    directory: pathlib.Path,
    model_name: str,
    inputs_by_signature: Mapping[str, Mapping[str, np.ndarray]],
) -> None:
    """Writes the file of warm-up requests.

    Args:
        directory: Path of the directory `assets.extra` of a version.
        model_name: String, the name under which the model is served.
        inputs_by_signature: Mapping, signature name -> input name -> value.
    """
    with tf.io.TFRecordWriter(str(directory / FILE)) as file:
        for signature, inputs in inputs_by_signature.items():
            file.write(prediction_log(model_name, signature, inputs))


def prediction_log(model_name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """A request as a serialised `PredictionLog`."""
    request = _field(1, _field(1, model_name.encode()) + _field(3, signature.encode()))
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))  # an entry of a map
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    """A field of Protocol Buffers' wire type 2: its key, the content's length, the content."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the high bit set."""
    out = []
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
