import dataclasses
import hashlib
import types

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.modalities import AudioConfig, Augment, FeaturesConfig, VideoConfig, pictures
from amr_tf.modalities.audio import fit_length
from amr_tf.modalities.video import even_frames, random_frames
from tfrecords import description, limits, schema
from tfrecords.building import shards
from tfrecords.description import DatasetInfo, Split
from tfrecords.reading import clips
from tfrecords.reading.pipeline import Pipeline, evaluation_batch
from tfrecords.stored import StoredAudio, StoredVideo

RATE = 1000
AUDIO = AudioConfig(sample_rate=RATE, seconds=0.3, fft_length=32, hop=16)
VIDEO = VideoConfig(frames=2, size=8)
INPUTS = {"audio": AUDIO, "video": VIDEO}
STORED = {"audio": StoredAudio(RATE, max_samples=440), "video": StoredVideo(5.0, 16, 4, 20, 24)}
SPLITS = {"train": (5, 4, 3), "test": (3, 2)}  # clips of each shard
PLAIN = Augment(crop_scale=(1, 1), flip=False, time_shift=False, random_frames=False)


def feature(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def make_clip(index):
    """Clip `index` is told by its label; lengths and sizes differ from clip to clip."""
    rng = np.random.default_rng(index)
    waveform = rng.integers(-9000, 9000, 200 + 40 * (index % 7)).astype("<i2")
    height, width = (16, 24) if index % 2 else (20, 14)
    ramp = np.linspace(0, 200, width)[None, :, None] + np.array([0, 20, 40])
    frames = [np.broadcast_to(ramp + 10 * t, (height, width, 3)) for t in range(1 + index % 4)]
    return {
        "id": f"clip{index}",
        "label": index,
        "audio": waveform,
        "frames": [np.asarray(tf.io.encode_jpeg(f.astype(np.uint8))).item() for f in frames],
        "size": (height, width),
    }


def serialise(clip):
    context = {
        schema.MEDIA_ID: feature(clip["id"].encode()),
        schema.LABEL_INDEX: feature(clip["label"]),
        schema.HEIGHT: feature(clip["size"][0]),
        schema.WIDTH: feature(clip["size"][1]),
    }
    if clip["audio"] is not None:
        context[schema.AUDIO] = feature(clip["audio"].tobytes())
    lists = {
        schema.FRAMES: tf.train.FeatureList(feature=[feature(jpeg) for jpeg in clip["frames"]])
    }
    return tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    ).SerializeToString()


def write(directory, change=lambda clip: clip, options=None):
    """Writes a set with its shards' reports; without the clips of which `change` makes None."""
    index, splits, total = 0, {}, sum(map(sum, SPLITS.values()))
    for name, sizes in SPLITS.items():
        reports = {}
        for number, size in enumerate(sizes):
            path = directory / f"{name}-{number:05d}.tfrecord"
            report = reports[path.name] = shards.Report([0] * total)
            with tf.io.TFRecordWriter(str(path)) as writer:
                for clip in map(change, map(make_clip, range(index, index + size))):
                    if clip is not None:
                        writer.write(serialise(clip))
                        report.clips += 1
                        report.class_counts[clip["label"]] += 1
            index += size
            report.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            beside = path.with_name(f"{path.name}.json")
            beside.write_text(report.to_json())
        counts = zip(*(report.class_counts for report in reports.values()), strict=True)
        clips_written = sum(report.clips for report in reports.values())
        splits[name] = Split(clips_written, 0, tuple(reports), tuple(map(sum, counts)))
    info = DatasetInfo(
        "synthetic",
        tuple(map(str, range(total))),
        STORED,
        splits,
        {"require": "audio,video"} if options is None else options,
    )
    (directory / description.DESCRIPTION).write_text(info.to_json())
    return directory


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write(tmp_path_factory.mktemp("records"))


def make(directory, **options):
    defaults = {"inputs": INPUTS, "batch_size": 4, "seed": 3}
    return Pipeline(directory, **(defaults | options))


def take(dataset, count):
    return [(dict(x), y) for x, y in dataset.take(count).as_numpy_iterator()]


def same(one, other):
    return all(
        np.array_equal(a[1], b[1]) and all(np.array_equal(a[0][k], b[0][k]) for k in a[0])
        for a, b in zip(one, other, strict=True)
    )


def labels(batches):
    return np.concatenate([y for _, y in batches]).tolist()


@pytest.mark.parametrize("cache", ["no", "yes"])
def test_evaluation_is_every_clip_in_order_cut_without_chance(directory, cache):
    pipeline = make(directory, cache=cache)
    dataset = pipeline.evaluate("test")
    batches = take(dataset, -1)
    assert len(dataset) == 2
    assert [len(y) for _, y in batches] == [3, 2]
    assert labels(batches) == [12, 13, 14, 15, 16]
    assert pipeline.media_ids("test") == [f"clip{i}" for i in labels(batches)]
    assert same(batches, take(dataset, -1))
    for (x, y), n in zip(batches, (3, 2), strict=True):
        assert x["audio"].shape == (n, AUDIO.samples)
        assert x["video"].shape == (n, *VIDEO.shape)
        assert (x["audio"].dtype, x["video"].dtype) == (np.int16, np.uint8)
        for row, label in enumerate(y):
            clip = make_clip(label)
            frames = np.stack([tf.io.decode_jpeg(jpeg) for jpeg in clip["frames"]])
            np.testing.assert_array_equal(
                x["audio"][row], fit_length(tf.constant(clip["audio"]), 300)
            )
            chosen = frames[even_frames(len(frames), VIDEO.frames)]
            wanted = pictures.resize_center(tf.constant(chosen), VIDEO.size)
            np.testing.assert_array_equal(x["video"][row], wanted)


def test_cached_and_decoded_anew_are_equal(directory):
    one, other = (take(make(directory, cache=c).evaluate("test"), -1) for c in ("no", "yes"))
    assert same(one, other)


@pytest.mark.parametrize("cache", ["no", "yes"])
def test_an_epoch_is_a_permutation_and_epochs_differ(directory, cache):
    pipeline = make(directory, cache=cache)
    assert pipeline.steps_per_epoch == 3
    order = labels(take(pipeline.train(), 9))
    epochs = [order[i : i + 12] for i in (0, 12, 24)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert sorted(epochs[0][:5]) != [0, 1, 2, 3, 4]


@pytest.mark.parametrize("cache", ["no", "yes"])
def test_batches_are_a_function_of_seed_and_step(directory, cache):
    stream = take(make(directory, cache=cache, batch_size=5).train(), 7)  # 2 clips are left over
    tf.random.set_seed(0)
    assert same(stream, take(make(directory, cache=cache, batch_size=5).train(), 7))
    assert not same(stream, take(make(directory, cache=cache, batch_size=5, seed=4).train(), 7))
    pipeline = make(directory, cache=cache, batch_size=5)
    for start in (1, 2, 5):
        assert same(stream[start:], take(pipeline.train(start), 7 - start))


def test_the_cache_is_filled_once(directory, monkeypatch):
    calls = []
    decode = clips.decode

    def counting(clip):
        tf.py_function(lambda: calls.append(1), [], [])
        return decode(clip)

    monkeypatch.setattr(clips, "decode", counting)
    pipeline = make(directory, cache="yes")
    take(pipeline.train(), 7)
    take(pipeline.train(4), 3)
    assert len(calls) == 12


@pytest.mark.parametrize("cache", ["no", "yes"])
def test_without_augmentation_training_sees_what_evaluation_sees(directory, cache):
    pipeline = make(directory, cache=cache, augment=PLAIN, batch_size=12)
    (x, y), (wanted, order) = (
        take(d, 1)[0] for d in (pipeline.train(), pipeline.evaluate("train"))
    )
    assert order.tolist() == list(range(12))
    np.testing.assert_array_equal(x["audio"], wanted["audio"][y])
    inside = np.s_[:, :, :, 1:-1]  # cropping while decoding may change colours at the edges
    difference = x["video"].astype(int) - wanted["video"][y]
    assert np.abs(difference[inside]).max() <= 1


def pixels(cut):
    """A training cut's video as numbers of which differences can be taken."""
    return cut["video"].numpy().astype(float)


def test_training_cuts_are_the_same_decoded_before_or_after():
    """But for interpolated colours at the edges of a crop."""
    for index in range(8):
        clip = schema.parse(serialise(make_clip(index)), STORED)
        key = tf.constant([1, index], tf.int64)
        one, other = (
            clips.cut_for_training(c, INPUTS, Augment(), key) for c in (clip, clips.decode(clip))
        )
        np.testing.assert_array_equal(one["audio"], other["audio"])
        difference = abs(pixels(one) - pixels(other))
        assert difference[:, :, 1:-1].max() <= 1
        assert difference.mean() < 2


def test_audio_cuts_are_parts_of_the_tiled_waveform_at_random_places():
    config = dataclasses.replace(AUDIO, tile_seconds=0.5)
    clip = schema.parse(serialise(make_clip(2)), {"audio": STORED["audio"]})
    waveform = np.tile(make_clip(2)["audio"], 3)[:500]
    starts = set()
    for index in range(20):
        key = tf.constant([0, index], "int64")
        cut = clips.cut_for_training(clip, {"audio": config}, Augment(), key)
        found = [s for s in range(201) if np.array_equal(waveform[s : s + 300], cut["audio"])]
        starts.add(found[0])
    assert len(starts) > 15


def test_crops_stay_in_the_frame_and_are_one_for_all_frames():
    height, width = 20, 30
    yx = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1)
    frame = np.concatenate([yx * 5, np.full((height, width, 1), 7)], -1).astype(np.uint8)
    clip = {
        "label": 0,
        "video": {
            "frames": tf.constant(np.stack([frame] * 3)),
            "size": tf.constant([height, width]),
        },
    }
    areas = []
    for index in range(60):
        key = tf.constant([5, index], tf.int64)
        x = pixels(clips.cut_for_training(clip, {"video": VIDEO}, Augment((0.2, 0.6)), key))
        assert (x[0] == x[1]).all()
        assert (x[..., 2] == 7).all()
        rows, columns = x[0, :, 0, 0].astype(int), x[0, 0, :, 1].astype(int)
        assert (np.diff(rows) >= 0).all()
        spans = (abs(v[-1] - v[0]) / 5 / 7 * 8 for v in (rows, columns))
        areas.append(np.prod(list(spans)) / (height * width))
    assert 0.1 < min(areas) < 0.35 < max(areas) < 0.75


def test_random_frames_are_different_and_in_order():
    draws = [
        tuple(random_frames(tf.constant(9), 3, tf.constant([0, i], tf.int64)).numpy())
        for i in range(300)
    ]
    assert all(0 <= a < b < c < 9 for a, b, c in draws)
    assert len(set(draws)) > 60  # of 84
    assert set(np.bincount(np.ravel(draws)) > 60) == {True}
    assert random_frames(tf.constant(2), 4, tf.constant([0, 0], "int64")).numpy().tolist() == [
        0,
        0,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("modality", "absent"), [("audio", schema.FRAMES), ("video", schema.AUDIO)]
)
def test_one_modality_reads_nothing_of_the_other(directory, modality, absent, monkeypatch):
    asked = []
    parse = tf.io.parse_single_sequence_example

    def spy(record, context, lists):
        asked.extend([*context, *lists])
        return parse(record, context, lists)

    monkeypatch.setattr(tf.io, "parse_single_sequence_example", spy)
    pipeline = make(directory, inputs={modality: INPUTS[modality]})
    assert list(take(pipeline.evaluate("test"), 1)[0][0]) == [modality]
    assert list(take(pipeline.train(), 1)[0][0]) == [modality]
    assert absent not in asked
    assert asked


def test_workers_share_the_shards_and_take_equal_steps(directory):
    streams = [
        labels(take(make(directory, worker=(i, 3), batch_size=3).train(), 8)) for i in range(3)
    ]
    assert [len(stream) for stream in streams] == [24] * 3
    assert [set(stream) for stream in streams] == [
        set(range(5)),
        set(range(5, 9)),
        set(range(9, 12)),
    ]


def test_a_record_set_that_lacks_a_modality_here_and_there(tmp_path):
    def change(clip):
        if clip["label"] % 3 == 0:
            return clip | {"audio": None}
        return clip | {"frames": []} if clip["label"] % 3 == 1 else clip

    write(tmp_path, change, {"require": "any"})
    for cache in ("no", "yes"):
        pipeline = make(tmp_path, cache=cache)
        for dataset in (pipeline.evaluate("test"), pipeline.train()):
            for x, y in take(dataset, 2):
                wanted = np.stack([y % 3 != 0, y % 3 != 1], 1)
                np.testing.assert_array_equal(x["presence"], wanted)
                for m, name in enumerate(("audio", "video")):
                    filled = (x[name] != 0).any(tuple(range(1, x[name].ndim)))  # else absent()
                    np.testing.assert_array_equal(filled, wanted[:, m])
    assert "presence" not in take(make(write(tmp_path), cache="no").evaluate("test"), 1)[0][0]


@pytest.mark.parametrize("cache", ["no", "yes"])
@pytest.mark.parametrize("broken", ["checksum", "jpeg"])
def test_a_corrupt_record_is_named(tmp_path, broken, cache):
    def change(clip):
        return clip | {"frames": [b"\xff\xd8 no jpeg"]} if clip["label"] == 6 else clip

    write(tmp_path, change if broken == "jpeg" else lambda clip: clip)
    if broken == "checksum":
        path = tmp_path / "train-00001.tfrecord"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    pipeline = make(tmp_path, cache=cache)
    with (
        pytest.raises(ValueError, match=r"train-00001\.tfrecord, record \d, is corrupt.*build"),
        pipeline.records.naming_corrupt_records(),
    ):
        take(pipeline.train(), 3)


def test_a_shard_cut_between_two_records_is_noticed(tmp_path):
    """TensorFlow takes what is left of a record's length for the end of the file."""
    write(tmp_path)
    path = tmp_path / "test-00001.tfrecord"
    content = path.read_bytes()
    last = 16 + int.from_bytes(content[:8], "little")
    assert last <= len(content)
    path.write_bytes(content[: last + 5] if len(content) > last else content[:5])
    pipeline = make(tmp_path)
    with (
        pytest.raises(ValueError, match=r"does not hold as many records as its dataset\.json says"),
        pipeline.records.naming_corrupt_records(),
    ):
        take(pipeline.evaluate("test"), -1)


def test_other_errors_pass(directory):
    pipeline = make(directory)
    with (
        pytest.raises(tf.errors.InvalidArgumentError, match="of mine"),
        pipeline.records.naming_corrupt_records(),
    ):
        raise tf.errors.InvalidArgumentError(None, None, "of mine")


def change_info(directory, **changes):
    info = DatasetInfo.load(directory)
    (directory / description.DESCRIPTION).write_text(dataclasses.replace(info, **changes).to_json())


def test_what_does_not_fit_is_refused_before_training(tmp_path, directory):
    with pytest.raises(ValueError, match=r"holds sound at 1000 Hz.*--audio_rate=16000"):
        make(directory, inputs={"audio": AudioConfig()})
    make(directory, inputs={"video": VIDEO})
    with pytest.raises(ValueError, match="a global batch of 13 exceeds the 12 training clips"):
        make(directory, batch_size=13).train()
    with pytest.raises(ValueError, match="no split 'validation'; it has test, train"):
        make(directory).evaluate("validation")
    with pytest.raises(ValueError, match="3 shards, too few for 4 workers"):
        make(directory, worker=(0, 4)).train()
    for options in ({"cache": "perhaps"}, {"worker": (2, 2)}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            make(directory, **options)
    with pytest.raises(ValueError, match="no modality is given"):
        make(directory, inputs={})
    with pytest.raises(ValueError, match=r"holds audio \(audio\), video \(video\): .*flow of"):
        make(directory, inputs={"flow": VIDEO})
    with pytest.raises(ValueError, match="the model wants audio of the kind features"):
        make(directory, inputs={"audio": FeaturesConfig((3,))})
    with pytest.raises(FileNotFoundError, match="no finished record set"):
        make(tmp_path)
    write(tmp_path)
    splits = DatasetInfo.load(tmp_path).splits
    change_info(tmp_path, splits=splits | {"validation": Split(0, 7, (), ())})
    with pytest.raises(ValueError, match=r"'validation' of .* has no clips; 7 failed"):
        make(tmp_path).evaluate("validation")
    change_info(tmp_path, splits={"test": dataclasses.replace(splits["test"], clips=9)})
    with pytest.raises(tf.errors.OpError, match="expected to contain 9"):
        take(make(tmp_path).evaluate("test"), -1)
    (tmp_path / "test-00001.tfrecord").unlink()
    with pytest.raises(FileNotFoundError, match=r"test-00001\.tfrecord is missing"):
        make(tmp_path)


@pytest.mark.parametrize(
    "options", [{"crop_scale": (0.0, 1.0)}, {"crop_ratio": (2, 1)}, {"spec_augment_time": -1}]
)
def test_impossible_augmentation_is_refused(options):
    with pytest.raises(ValueError):
        Augment(**options)


def test_what_fits_is_cached(directory, monkeypatch):
    def available(size):
        memory = types.SimpleNamespace(available=size)
        monkeypatch.setattr("tfrecords.reading.pipeline.psutil.virtual_memory", lambda: memory)

    available(4 * 12 * 6641)
    assert make(directory).cached
    available(4 * 12 * 6639)
    assert not make(directory).cached
    assert make(directory, inputs={"audio": AUDIO}).cached


@pytest.mark.parametrize("cache", ["yes", "no"])
@pytest.mark.parametrize("worker", [(0, 1), (1, 2)])
def test_the_clips_of_a_step_are_named(directory, cache, worker):
    """Also behind the first epoch; a label is its clip's number."""
    options = {"batch_size": 4, "seed": 3, "cache": cache, "worker": worker}
    size = 4 // worker[1]
    seen = labels(take(make(directory, **options).train(), 8))
    data = make(directory, **options)
    for step in (0, 2, 4, 7):
        names = [f"clip{label}" for label in seen[step * size : (step + 1) * size]]
        assert data.clips_of_step(step) == names
        assert len(names) == size
    assert len(set(data.clips_of_step(0) + data.clips_of_step(1))) == 2 * size


@pytest.mark.parametrize("clips_of_split", range(1, 200))
def test_no_batch_of_an_evaluation_is_nearly_empty(clips_of_split):
    """Devices share batches out: one without clips would have nothing to compute on."""
    for most in (1, 4, 7, 32, 64):
        size = evaluation_batch(clips_of_split, most)
        assert 1 <= size <= most
        last = clips_of_split % size or size
        assert last >= min(8, size / 2)
        assert clips_of_split < most or size >= most / 4


def test_the_limits_of_frames_are_one():
    assert pictures.MAX_PIXELS == limits.MAX_PIXELS
