"""Anything thrown at a parser of records and lists is read, or refused by its own error.

What is read must hold what the parser promises; see tests/fuzzing.py for long runs.
"""

import dataclasses
import hashlib
import importlib.metadata
import itertools
import json
import pathlib
import sys
import tempfile
import types
import warnings

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from amr_tf.modalities import Augment
from tests.fuzzing import changed_json, csv_files, fuzz
from tests.tfrecords import files
from tests.tfrecords.reading import test_pipeline
from tfrecords import schema
from tfrecords.building import options, shards
from tfrecords.datasets import cremad, vggsound, vggsounder
from tfrecords.datasets.listing import Listing, SourceError
from tfrecords.description import DESCRIPTION, SPLITS, DatasetInfo, Split
from tfrecords.reading import clips, records
from tfrecords.reading.records import CorruptRecord
from tfrecords.stored import StoredAudio, StoredVideo

VIDEOS = ("abc_-d12", "-A90G-I68oB", "../../x", "x_000001.mp4", "a b")
LABELS = ("airplane", "bird chirping, tweeting", "train", "test", "label", "1", "٣", "9" * 4400)
NAMES = ("1001_DFA_ANG_XX", "1002_IEO_HAP_LO", "1003_TIE_NEU_XX", "1004_ITS_SAD_XX", "1001_X")
HEADS = (
    "Filename",
    "ActorID",
    "Sex",
    "Male",
    "Female",
    "1001",
    "1002",
    "ANG",
    "version https://git-lfs",
)


def check_listing(listing):
    """Unique names, labels that are classes, files below the source."""
    names = [clip.media_id for clip in listing.clips]
    assert len(set(names)) == len(names)
    for clip in listing.clips:
        assert clip.split in SPLITS
        assert all(0 <= label < len(listing.classes) for label in clip.labels)
        for path in clip.files.values():
            assert not pathlib.PurePath(path).is_absolute()
            assert ".." not in pathlib.PurePath(path).parts
            assert path.isprintable()


@fuzz()
@given(csv_files(VIDEOS, LABELS))
def test_lists_of_vggsound(content):
    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory)
        (source / "vggsound.csv").write_bytes(content)
        try:
            listing = vggsound.listing(source)
        except SourceError:
            return
    assert listing.clips
    check_listing(listing)


CREMA_D = csv_files(NAMES, HEADS)


@fuzz()
@given(*[st.none() | CREMA_D] * 4, st.sampled_from(cremad.SPLITS), st.integers(0, 3))
@example(None, b"", None, None, "speakers", 0)
@example(None, b"ActorID,Age,Sex\n1001,30\n1002,31,Male\n", None, None, "speakers", 0)
@example(None, None, b'"1001_DFA_ANG_XX', b"", "published", 0)
@example(None, b"ActorID,Sex", b"", b"", "published", 0)
def test_lists_of_crema_d(sentences, demographics, train, test, split, folds):
    files = ("SentenceFilenames.csv", "VideoDemographics.csv", "train.csv", "test.csv")
    contents = (sentences, demographics, train, test)
    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory)
        (source / "VideoFlash").mkdir()
        for name in NAMES:
            (source / "VideoFlash" / f"{name}.flv").touch()
        for name, content in zip(files, contents, strict=True):
            if content is not None:
                (source / name).write_bytes(content)
        try:
            listing = cremad.listing(source, split=split, folds=folds)
        except SourceError:
            return
    check_listing(listing)
    for clip in listing.clips:
        assert cremad.CLASSES[clip.labels[0]] == cremad.parse(clip.media_id)[2]
    if split == "speakers":
        actors = {name: set() for name in SPLITS}
        for clip in listing.clips:
            actors[clip.split].add(clip.media_id[:4])
        for one, other in itertools.combinations(actors.values(), 2):
            assert not one & other


@fuzz()
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*vggsound.class_names()[:3], "spaceship"]) | st.text(max_size=5),
            st.sampled_from(["A", "V", "AV"]) | st.text(max_size=3),
        ),
        max_size=5,
    )
)
def test_annotations_of_vggsounder(pairs):
    """The package's labels are VGGSound's, or it is refused by name."""
    flags = {"background_music": True, "static_image": False, "voice_over": False}
    data = types.SimpleNamespace(
        labels=[label for label, _ in pairs], modalities=[m for _, m in pairs], meta_labels=flags
    )
    classes = vggsound.class_names()
    listing = Listing(classes, (files.listed("clip", (7,), "test"),))
    package = types.SimpleNamespace(VGGSounder=lambda background_music: {"clip": data})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "vggsounder", package)
        patch.setattr(importlib.metadata, "version", lambda name: "1.0")
        try:
            (clip,) = vggsounder.annotate(listing).clips
        except SourceError as error:
            assert "which VGGSound does not have" in str(error)  # noqa: PT017
            return
    assert clip.labels[0] == 7
    assert {classes[label] for label in clip.labels} == {label for label, _ in pairs} | {classes[7]}
    assert len(clip.annotation.audible) == len(clip.annotation.visible) == len(clip.labels)


@fuzz()
@given(st.text(max_size=12) | st.from_regex(r"[0-9.eE+-]{1,12}|nan|inf", fullmatch=True))
def test_limits_and_ranges(text):
    for parse in (options.parse_limit, options.parse_range):
        try:
            found = parse(text)
        except options.BuildError:
            continue
        if parse is options.parse_limit:
            assert found >= 0
            assert isinstance(found, int) or found <= 1
        else:
            assert len(found) == 2


DESCRIBED = json.loads(
    DatasetInfo(
        "vggsound", ("a", "b, c"), {"audio": StoredAudio(16_000), "video": StoredVideo(4.0, 256)},
        {name: Split(3, 1, (f"{name}-0.tfrecord",), (1, 2)) for name in SPLITS},
        {"require": "audio,video"}, "a note",
    ).to_json()
)  # fmt: skip


@fuzz(150)
@given(changed_json(DESCRIBED) | st.text(max_size=30))
@example("[" * 100_000)
@example("1" * 5000)
def test_descriptions(text):
    try:
        info = DatasetInfo.from_json(text)
    except ValueError:
        return
    assert DatasetInfo.from_json(info.to_json()).to_json() == info.to_json()
    for split in info.splits.values():
        assert all(pathlib.PurePath(name).name == name for name in split.shards)
        assert sum(split.class_counts) >= 0


@fuzz(100)
@given(changed_json(dataclasses.asdict(shards.Report([1, 2], "0" * 64, clips=3))))
def test_reports_of_shards(text):
    """They are read by a build that goes on, and by --skip_corrupt."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "train-0.tfrecord")
        path.with_name(path.name + ".json").write_text(text)
        try:
            report = shards.read_report(path.parent, shards.Shard(path.name, "train", ()))
        except ValueError:
            return
    if report is not None:
        assert dataclasses.asdict(report)["clips"] >= 0
        assert all(count >= 0 for count in report.class_counts)


FEATURES = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 20), max_size=3).map(
        lambda v: tf.train.Feature(int64_list={"value": v})
    ),
    st.lists(st.binary(max_size=30), max_size=2).map(
        lambda v: tf.train.Feature(bytes_list={"value": v})
    ),
    st.lists(st.floats(width=32), max_size=2).map(
        lambda v: tf.train.Feature(float_list={"value": v})
    ),
    st.builds(tf.train.Feature),
)
KEYS = (
    schema.LABEL_INDEX, schema.AUDIO, schema.HEIGHT, schema.WIDTH, schema.MEDIA_ID, schema.FRAMES
)  # fmt: skip


@st.composite
def examples(draw):
    """A record as it should be, with some of its features exchanged or gone; or any bytes."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.binary(max_size=60))
    clip = test_pipeline.make_clip(draw(st.integers(0, 16)))
    record = tf.train.SequenceExample.FromString(test_pipeline.serialise(clip))
    for _ in range(draw(st.integers(0, 2))):
        key = draw(st.sampled_from(KEYS))
        if key == schema.FRAMES:
            frames = draw(st.lists(FEATURES, max_size=3))
            own = list(record.feature_lists.feature_list[key].feature)
            kept = draw(st.integers(0, len(own)))
            del record.feature_lists.feature_list[key].feature[kept:]
            record.feature_lists.feature_list[key].feature.extend(frames)
        elif draw(st.booleans()):
            record.context.feature[key].CopyFrom(draw(FEATURES))
        else:
            record.context.feature.pop(key, None)
    content = record.SerializeToString()
    return (
        content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 7)) == 0 else content
    )


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def cuts(record):
    """One record as evaluation and training see it."""
    clip = schema.parse(record, test_pipeline.STORED, 17)
    inputs, key = test_pipeline.INPUTS, tf.constant([3, 4], tf.int64)
    training = clips.cut_for_training(clip, inputs, Augment(), key)
    return clips.cut_for_evaluation(clip, inputs), training, clips.decode(clip)["label"]


@fuzz(150)
@given(examples())
def test_single_records(record):
    """It is cut to the model's shapes, or its error is one by which records are named."""
    try:
        *found, label = cuts(record)
    except tf.errors.InvalidArgumentError as error:
        assert any(sign in str(error) for sign in records.SIGNS)  # noqa: PT017
        return
    assert 0 <= label < 17
    for cut in found:
        assert cut["audio"].shape == test_pipeline.AUDIO.samples
        assert cut["video"].shape == test_pipeline.VIDEO.shape
        assert np.isfinite(cut["video"]).all()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return test_pipeline.write(tmp_path_factory.mktemp("whole"))


@fuzz(4, cost=200)
@given(
    found=st.lists(examples(), min_size=1, max_size=4),
    cut=st.none() | st.integers(1, 400),
    skip=st.booleans(),
    training=st.booleans(),
)
def test_sets_of_records(whole, found, cut, skip, training):
    """Every batch has the model's shapes and labels, or the broken record is named or left out."""
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        for path in whole.iterdir():
            (directory / path.name).write_bytes(path.read_bytes())
        path = directory / "train-00001.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in found:
                writer.write(record)
        if cut:
            path.write_bytes(path.read_bytes()[:-cut])
        info = DatasetInfo.load(directory)
        train = info.splits["train"]
        built = shards.Report([0] * len(info.classes), "changed", clips=4)
        built.class_counts[5:9] = [1] * 4
        count = train.clips - 4 + (4 if skip else len(found))
        splits = info.splits | {"train": dataclasses.replace(train, clips=count)}
        (directory / DESCRIPTION).write_text(dataclasses.replace(info, splits=splits).to_json())
        if not skip:
            built.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_name(f"{path.name}.json").write_text(built.to_json())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                pipeline = test_pipeline.make(directory, skip_corrupt=skip, cache="no")
                stream = pipeline.train().take(4) if training else pipeline.evaluate("train")
                with pipeline.records.naming_corrupt_records():
                    batches = list(stream.as_numpy_iterator())
            except CorruptRecord as error:
                assert not skip
                named = ("train-00001.tfrecord, record ", "does not hold as many records")
                assert any(text in str(error) for text in named)  # noqa: PT017
                return
            except ValueError as error:
                assert skip
                named = ("holds no record that can be read", "is empty: delete it")
                assert any(text in str(error) for text in named)  # noqa: PT017
                return
    for inputs, labels in batches:
        for name, modality in test_pipeline.INPUTS.items():
            assert inputs[name].shape[1:] == modality.raw.shape
            assert inputs[name].dtype == modality.raw.dtype
        assert ((labels >= 0) & (labels < len(info.classes))).all()
