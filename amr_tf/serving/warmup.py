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
from amr_tf.serving import encoded_media
from amr_tf.serving.signatures import MEDIA, input_name

FILE = "tf_serving_warmup_requests"


def requests(inputs: Mapping[str, Modality]) -> dict[str, dict[str, np.ndarray]]:
    """Signature name -> its inputs, of one silent, black clip of the model's sizes.

    Args:
        inputs: Mapping, modality -> the model's input.
    """
    arrays, media = {}, {}
    for name, modality in inputs.items():
        raw = modality.absent().numpy()
        array = input_name(name, modality.kind)
        file = input_name(name, modality.kind, media=True)
        if modality.kind == "audio":
            arrays[array] = raw[None].astype(np.float32)
            # as objects: NumPy's own strings lose the zeros at their end
            media[file] = np.array([encoded_media.wav(raw, modality.sample_rate)], object)
        elif modality.kind == "video":
            arrays[array] = raw[None]
            jpeg = tf.io.encode_jpeg(raw[0]).numpy()
            media[file] = np.array([[jpeg] * modality.frames], object)
        else:
            arrays[array] = raw[None]
    files = all(modality.kind in MEDIA for modality in inputs.values())
    return {
        "serving_default": arrays,
        **({"serving_media": media} if files else {}),
        "explain": arrays,
    }


def write(
    directory: pathlib.Path,
    model_name: str,
    inputs_by_signature: Mapping[str, Mapping[str, np.ndarray]],
) -> None:
    """Writes the file of warm-up requests.

    Args:
        directory: `assets.extra` of a version.
        model_name: Under which the model is served.
        inputs_by_signature: Signature name -> input name -> value.
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
