"""Warm-up requests, read by Protocol Buffers' own parser, are those that the signatures take."""

import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from amr_tf.serving import exporting, warmup
from tests.amr_tf.serving.served import CLASSES, small_model

FIELD = descriptor_pb2.FieldDescriptorProto


def prediction_log():
    """The message class, from a description of the published fields."""
    file = descriptor_pb2.FileDescriptorProto(
        name="amr_test/prediction_log.proto",
        package="amr_test",
        syntax="proto3",
        dependency=["tensorflow/core/framework/tensor.proto"],
    )

    def message(name, *fields, parent=file.message_type):
        made = parent.add(name=name)
        for field, number, kind, label in fields:
            what = {"type": FIELD.TYPE_STRING} if kind == "string" else {"type_name": kind}
            what.setdefault("type", FIELD.TYPE_MESSAGE)
            made.field.add(name=field, number=number, label=label, **what)
        return made

    one, many = FIELD.LABEL_OPTIONAL, FIELD.LABEL_REPEATED
    message("ModelSpec", ("name", 1, "string", one), ("signature_name", 3, "string", one))
    request = message(
        "PredictRequest",
        ("model_spec", 1, ".amr_test.ModelSpec", one),
        ("inputs", 2, ".amr_test.PredictRequest.InputsEntry", many),
    )
    entry = message(
        "InputsEntry",
        ("key", 1, "string", one),
        ("value", 2, ".tensorflow.TensorProto", one),
        parent=request.nested_type,
    )
    entry.options.map_entry = True
    message("PredictLog", ("request", 1, ".amr_test.PredictRequest", one))
    message("PredictionLog", ("predict_log", 6, ".amr_test.PredictLog", one))
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("amr_test.PredictionLog"))


PredictionLog = prediction_log()


@pytest.mark.parametrize("modalities", [("audio", "video"), ("audio",), ("video",)], ids="+".join)
def test_each_signature_answers_its_request(tmp_path, modalities):
    version = exporting.export(small_model(modalities), tmp_path, CLASSES)
    signatures = tf.saved_model.load(str(version)).signatures
    path = version / "assets.extra" / warmup.FILE
    asked = []
    for record in tf.data.TFRecordDataset(str(path)):
        request = PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.name == "amr"
        name = request.model_spec.signature_name
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
        assert signatures[name](**inputs)["probabilities"].shape == (1, 3)
        asked.append(name)
    assert sorted(asked) == sorted(signatures)
