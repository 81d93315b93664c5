import dataclasses
import importlib.metadata
import pathlib
import subprocess
import sys
import types

import pytest

from tests.tfrecords import files
from tests.tfrecords.building.test_build import records
from tfrecords import schema
from tfrecords.building import builder as build
from tfrecords.datasets import BuildError, VGGSound, vggsound, vggsounder
from tfrecords.datasets.listing import Annotation, Listing, SourceError

CLASSES = vggsound.class_names()
IDS = {name: index for index, name in enumerate(CLASSES)}
PRIMARY = IDS["airplane"]


def data(*labels, **flags):
    """As the package gives it: labels like "A:airplane"."""
    meta = {"background_music": False, "static_image": False, "voice_over": False} | flags
    modalities, names = zip(*(label.split(":") for label in labels), strict=True)
    return types.SimpleNamespace(labels=list(names), modalities=list(modalities), meta_labels=meta)


@pytest.fixture
def package(monkeypatch):
    """Stands in for the package; returns its clips, to be filled."""
    found = {}

    def read(*, background_music=False):
        music = "background_music"
        keep = (background_music, None)
        return {k: v for k, v in found.items() if None in keep[:1] or v.meta_labels[music] in keep}

    monkeypatch.setitem(sys.modules, "vggsounder", types.SimpleNamespace(VGGSounder=read))
    monkeypatch.setattr(vggsounder, "version", lambda: "1.0")
    return found


def listed(**splits):
    clips = tuple(files.listed(name, (PRIMARY,), split) for name, split in splits.items())
    return Listing(CLASSES, clips)


def test_the_published_label_stays_first_and_the_others_follow(package):
    package["clip"] = data("AV:people crowd", "V:airplane", "A:male singing", voice_over=True)
    (clip,) = vggsounder.annotate(listed(clip="test")).clips
    assert [CLASSES[i] for i in clip.labels] == ["airplane", "male singing", "people crowd"]
    assert clip.annotation == Annotation(
        audible=(False, True, True),
        visible=(True, False, True),
        background_music=False,
        static_image=False,
        voice_over=True,
    )


def test_an_unconfirmed_published_label_is_neither_audible_nor_visible(package):
    package["one"] = data("AV:people crowd")
    package["two"] = data("A:airplane", background_music=True)
    listing = vggsounder.annotate(listed(one="test", two="test", three="test"))
    one, two, three = listing.clips
    assert [CLASSES[i] for i in one.labels] == ["airplane", "people crowd"]
    assert (one.annotation.audible, one.annotation.visible) == ((False, True), (False, True))
    assert two.annotation.background_music
    assert three == listed(three="test").clips[0]
    assert listing.notes == (
        "vggsounder 1.0 annotates 2 of 3 test clips, and does not confirm the published label of 1"
    )


def test_several_labels_a_clip_are_those_that_are_confirmed(package, clips):
    package["one"] = data("AV:people crowd", "V:male singing")
    listing = dataclasses.replace(listed(one="test", two="train"), task="multilabel")
    one, two = vggsounder.annotate(listing).clips
    assert [CLASSES[i] for i in one.labels] == ["male singing", "people crowd"]
    assert (one.annotation.audible, one.annotation.visible) == ((False, True), (True, True))
    assert two.labels == (PRIMARY,)
    options = dataclasses.replace(clips, dataset=VGGSound(task="multilabel"))
    found = options.list_clips()
    assert found.task == "multilabel"
    assert options.identity(found)["task"] == "multilabel"
    with pytest.raises(SourceError, match="--task=regression: vggsound has labels, and no numbers"):
        dataclasses.replace(clips, dataset=VGGSound(task="regression")).list_clips()


def test_training_clips_are_left_alone(package):
    package["clip"] = data("AV:people crowd")
    before = listed(clip="train")
    assert vggsounder.annotate(before).clips == before.clips


def test_a_label_that_vggsound_has_not_is_one_line(package):
    package["clip"] = data("AV:spaceship")
    with pytest.raises(SourceError) as error:
        vggsounder.annotate(listed(clip="test"))
    assert (
        str(error.value) == "vggsounder 1.0 has the label 'spaceship', which VGGSound does not have"
    )


def test_records_hold_labels_modalities_and_flags(package, clips):
    package["video000004_000001"] = data("A:people crowd", "AV:airplane", static_image=True)
    info = build.build(
        dataclasses.replace(clips, dataset=VGGSound(vggsounder=True)), progress=False
    )
    output = pathlib.Path(clips.output)
    found = records(output, "test")
    feature = found["video000004_000001"].context.feature
    assert list(feature[schema.LABEL_INDEX].int64_list.value) == [PRIMARY, IDS["people crowd"]]
    names = [b"airplane", b"people crowd"]
    assert list(feature[schema.LABEL_STRING].bytes_list.value) == names
    assert list(feature[schema.LABEL_AUDIBLE].int64_list.value) == [1, 1]
    assert list(feature[schema.LABEL_VISIBLE].int64_list.value) == [1, 0]
    flags = (schema.BACKGROUND_MUSIC, schema.STATIC_IMAGE, schema.VOICE_OVER)
    assert [list(feature[key].int64_list.value) for key in flags] == [[0], [1], [0]]
    feature = found["video000005_000001"].context.feature
    assert list(feature[schema.LABEL_INDEX].int64_list.value) == [PRIMARY]
    assert not set(feature) & {schema.LABEL_AUDIBLE, schema.LABEL_VISIBLE, *flags}
    assert sum(info.splits["test"].class_counts) == info.splits["test"].clips == 2
    assert "vggsounder 1.0 annotates 1 of 2 test clips" in info.notes
    assert info.options["vggsounder"] == "1.0"
    with pytest.raises(BuildError, match=r"vggsounder \(1\.0 there, None now\)"):
        build.build(clips, progress=False)


def test_without_the_package_it_is_named(clips, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(BuildError) as error:
        build.build(dataclasses.replace(clips, dataset=VGGSound(vggsounder=True)), progress=False)
    assert str(error.value) == (
        "--vggsounder needs the package of that name and Python 3.11 or later: "
        "pip install 'amr-tf[vggsounder]', or build without"
    )


def test_it_is_for_vggsound():
    done = subprocess.run(
        [sys.executable, "-m", "tfrecords.build", "--dataset=cremad", "--source=a", "--output=b",
         "--vggsounder"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    line = "error: --vggsounder is for vggsound: cremad has no such option"
    assert done.stderr.strip().splitlines()[-1] == line


def test_the_real_package():
    pytest.importorskip("vggsounder", reason="the extra [vggsounder] is not installed")
    name = "---g-f_I2yQ_000001"  # with background music, which the package leaves out by default
    crowd = IDS["people marching"]
    before = Listing(CLASSES, (files.listed(name, (crowd,), "test"),))
    (clip,) = vggsounder.annotate(before).clips
    assert clip.labels[0] == crowd
    assert len(clip.labels) >= 4
    assert list(clip.labels[1:]) == sorted(set(clip.labels[1:]) - {crowd})
    assert clip.annotation.visible[0]
    singing = clip.labels.index(IDS["male singing"])
    assert clip.annotation.audible[singing]
    assert not clip.annotation.visible[singing]
    assert clip.annotation.background_music
