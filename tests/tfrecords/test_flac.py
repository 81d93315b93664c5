import dataclasses
import functools
import io

import av
import numpy as np
import pytest
import tensorflow as tf

from amr_tf.modalities import AudioConfig, VideoConfig
from tests.tfrecords.reading import test_pipeline
from tfrecords import flac, inspect, schema
from tfrecords.building import builder as build
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import BuildError
from tfrecords.description import DESCRIPTION, DatasetInfo
from tfrecords.reading.clips import Augment
from tfrecords.reading.data_service import ServedPipeline
from tfrecords.reading.pipeline import Pipeline
from tfrecords.stored import AUDIO_CODECS

AUDIO = AudioConfig(sample_rate=16_000, seconds=1.0)
VIDEO = VideoConfig(frames=1, size=16)
PLAIN = Augment(crop_scale=(1, 1), flip=False, time_shift=False, random_frames=False)


def test_tensorflow_io_works_on_the_reference_stack():
    assert (flac.native_decoder() is not None) == tf.__version__.startswith("2.15.")


@pytest.fixture(params=["tensorflow-io", "PyAV"])
def decoder(request, monkeypatch):
    """Each decoder of the pipeline in turn."""
    if request.param == "PyAV":
        monkeypatch.setattr(flac, "native_decoder", lambda: None)
    elif flac.native_decoder() is None:
        pytest.skip("tensorflow-io's operations need TensorFlow 2.15")


@pytest.fixture(scope="module")
def built(rendered, recipe, tmp_path_factory):
    """The same clips as records with PCM and with FLAC."""
    parent = tmp_path_factory.mktemp("records")
    for codec in AUDIO_CODECS:
        options = BuildOptions(recipe, str(rendered), str(parent / codec))
        build.build(dataclasses.replace(options, audio_codec=codec, workers=2), progress=False)
    return parent


def sounds(directory):
    """The bytes of the waveforms and their numbers of samples, by clip."""
    found = {}
    for path in sorted(directory.glob("*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            feature = tf.train.SequenceExample.FromString(record).context.feature
            name = feature[schema.MEDIA_ID].bytes_list.value[0]
            samples = feature[schema.AUDIO_SAMPLES].int64_list.value[0]
            found[name] = feature[schema.AUDIO].bytes_list.value[0], samples
    return found


@pytest.mark.parametrize("samples", [0, 1, 15, 16, 4_607, 4_608, 40_000])
@pytest.mark.parametrize("level", [0, 1, 32_768])
def test_every_waveform_survives_and_nothing_is_added_to_it(rng, samples, level):
    waveform = rng.integers(-level, max(level, 1), samples).astype(np.int16)
    stream = flac.encode(waveform, 22_050)
    assert stream == flac.encode(waveform, 22_050)
    decoded = flac.decode(stream)
    assert decoded.dtype == np.int16
    np.testing.assert_array_equal(decoded, waveform)
    assert len(stream) < 2.01 * samples + 100
    if samples:
        with av.open(io.BytesIO(stream)) as container:
            assert container.streams.audio[0].rate == 22_050
            assert dict(container.metadata) == {}


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("samples", [0, 1, 15, 4_608, 40_000])
def test_the_graph_decodes_the_same(rng, samples):
    waveform = rng.integers(-(2**15), 2**15, samples).astype(np.int16)
    stream = flac.encode(waveform, 16_000)
    dataset = tf.data.Dataset.from_tensors(stream).map(flac.graph_decoder())
    (decoded,) = dataset.as_numpy_iterator()
    assert decoded.dtype == np.int16
    np.testing.assert_array_equal(decoded, waveform)


def test_records_hold_the_samples_of_the_pcm_records_bit_for_bit(built):
    pcm, compressed = sounds(built / "pcm16"), sounds(built / "flac")
    assert len(pcm) == 22
    assert set(pcm) == set(compressed)
    for name, (stored, samples) in pcm.items():
        stream, count = compressed[name]
        assert stream.startswith(b"fLaC")
        assert count == samples
        np.testing.assert_array_equal(flac.decode(stream), np.frombuffer(stored, "<i2"))
        assert len(stream) < len(stored)
    infos = {codec: DatasetInfo.load(built / codec) for codec in AUDIO_CODECS}
    assert {codec: info.modalities["audio"].codec for codec, info in infos.items()} == {
        codec: codec for codec in AUDIO_CODECS
    }
    longest = {info.modalities["audio"].max_samples for info in infos.values()}
    assert len(longest) == 1


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("cache", ["no", "yes"])
def test_training_and_evaluation_get_what_pcm_records_give(built, cache):
    batches = {}
    for codec in AUDIO_CODECS:
        pipeline = Pipeline(
            built / codec,
            {"audio": AUDIO, "video": VIDEO},
            batch_size=4,
            cache=cache,
            augment=PLAIN,
        )
        batches[codec] = test_pipeline.take(pipeline.train(), 3)
        batches[codec] += test_pipeline.take(pipeline.evaluate("test"), 2)
    assert test_pipeline.same(batches["pcm16"], batches["flac"])


@pytest.mark.usefixtures("decoder")
def test_a_record_without_sound_is_one_without_sound(tmp_path):
    def change(clip):
        silent = clip["label"] % 2 or clip["audio"] is None
        stream = np.frombuffer(flac.encode(clip["audio"].astype(np.int16), 1_000), np.uint8)
        return clip | {"audio": None if silent else stream}

    test_pipeline.write(tmp_path, change, {"require": "video"})
    info = DatasetInfo.load(tmp_path)
    stored = dataclasses.replace(info.modalities["audio"], codec="flac")
    info = dataclasses.replace(info, modalities={**info.modalities, "audio": stored})
    (tmp_path / DESCRIPTION).write_text(info.to_json())
    for x, y in test_pipeline.make(tmp_path).evaluate("test").as_numpy_iterator():
        np.testing.assert_array_equal(x["presence"], np.stack([y % 2 == 0, y >= 0], 1))


def test_other_machines_need_tensorflow_io(built, monkeypatch):
    monkeypatch.setattr(flac, "native_decoder", lambda: None)
    for codec in ("pcm16", "flac"):
        make = functools.partial(
            ServedPipeline, built / codec, {"audio": AUDIO}, 4, addresses=("localhost:1",)
        )
        if codec == "pcm16":
            make()
            continue
        with pytest.raises(ValueError, match="decode FLAC records only by tensorflow-io"):
            make()


def test_a_model_without_audio_reads_flac_records_anywhere(built, monkeypatch):
    monkeypatch.setattr(flac, "graph_decoder", None)
    pipeline = Pipeline(built / "flac", {"video": VIDEO}, batch_size=4)
    assert len(test_pipeline.take(pipeline.evaluate("test"), 2)) == 2


def test_verify_decodes_flac_on_both_stacks(built, tmp_path):
    assert list(inspect.verify(built / "flac", progress=False)) == []
    inspect.contact_sheet(built / "flac", tmp_path / "sheet.png")
    file = damaged(built / "flac", tmp_path)
    wrong = list(inspect.verify(tmp_path, progress=False))
    assert len(wrong) == 2
    assert wrong[1].startswith(f"{file}, record 2: ")


@pytest.mark.usefixtures("decoder")
def test_a_damaged_stream_is_named_by_shard_and_index(built, tmp_path):
    file = damaged(built / "flac", tmp_path)
    pipeline = Pipeline(tmp_path, {"audio": AUDIO, "video": VIDEO}, batch_size=4)
    with (
        pytest.raises(ValueError, match=f"{file}, record 2, is corrupt"),
        pipeline.records.naming_corrupt_records(),
    ):
        test_pipeline.take(pipeline.evaluate("test"), 2)


def damaged(directory, copy):
    """Copies the test split of a set, its third sound cut off; returns the file's name."""
    info = DatasetInfo.load(directory)
    (file,) = info.splits["test"].shards
    records = list(tf.data.TFRecordDataset(str(directory / file)).as_numpy_iterator())
    example = tf.train.SequenceExample.FromString(records[2])
    stream = example.context.feature[schema.AUDIO].bytes_list.value
    stream[0] = stream[0][:10_000]
    with tf.io.TFRecordWriter(str(copy / file)) as writer:
        for record in [*records[:2], example.SerializeToString(), *records[3:]]:
            writer.write(record)
    (copy / f"{file}.json").write_text((directory / f"{file}.json").read_text())
    splits = {"test": info.splits["test"]}
    description = dataclasses.replace(info, splits=splits).to_json()
    (copy / DESCRIPTION).write_text(description)
    return file


def test_no_flac_at_all_is_said_to_be_none():
    with pytest.raises(ValueError, match="not a whole FLAC stream"):
        flac.decode(b"fLaC and nothing else")


def test_the_codec_is_an_option_that_decides_the_records(built, rendered, recipe):
    with pytest.raises(BuildError, match="--audio_codec=mp3 is not one of pcm16, flac"):
        BuildOptions("synthetic", str(rendered), str(built / "o"), audio_codec="mp3")
    options = BuildOptions(recipe, str(rendered), str(built / "flac"))
    with pytest.raises(BuildError, match=r"audio_codec \(flac there, pcm16 now\)"):
        build.build(options, progress=False)
