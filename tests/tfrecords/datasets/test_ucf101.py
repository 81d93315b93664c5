"""UCF-101 in its published layout."""

import shutil

import pytest

from tests.tfrecords import files
from tests.tfrecords.building.test_build import failures, records
from tfrecords import schema
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import UCF101, SourceError

CLASSES = ("ApplyEyeMakeup", "HandstandPushups")


def name(label, group, clip=1):
    return f"{label}/v_{label}_g{group:02d}_c{clip:02d}.avi"


@pytest.fixture
def source(tmp_path):
    """Two classes of six groups of two clips: the first tests in fold 1, the second in fold 2."""
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 ApplyEyeMakeup\r\n2 HandstandPushups\r\n")
    clips = [
        (i, g, name(c, g, k)) for i, c in enumerate(CLASSES) for g in range(1, 7) for k in (1, 2)
    ]
    for fold in (1, 2):
        train = [f"{clip} {i + 1}" for i, group, clip in clips if group != fold]
        test = [clip for _, group, clip in clips if group == fold]
        (lists / f"trainlist0{fold}.txt").write_text("\r\n".join(train) + "\r\n")
        (lists / f"testlist0{fold}.txt").write_text("\n".join(test).replace("dst", "dSt") + "\n")
    for _, _, clip in clips:
        (tmp_path / "UCF-101" / clip).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "UCF-101" / clip).touch()
    return tmp_path


@pytest.mark.parametrize("fold", [1, 2])
def test_the_published_folds_with_validation_cut_by_group(source, fold):
    found = UCF101(fold=fold).listing(source, 0.2, 0)
    assert found.failures == ()
    assert found.classes == CLASSES
    groups = {"train": set(), "validation": set(), "test": set()}
    for clip in found.clips:
        assert clip.path.startswith("UCF-101/")
        assert (source / clip.path).exists()
        assert found.classes[clip.labels[0]] in clip.path
        groups[clip.split].add(clip.media_id.lower()[:-4])
    assert groups["test"] == {f"v_{label.lower()}_g0{fold}" for label in CLASSES}
    assert sum(map(len, groups.values())) == 12
    assert len(groups["validation"]) == 2
    assert f"published split {fold}" in found.notes


def test_what_is_wrong_is_counted_or_named(source):
    lists = source / "ucfTrainTestlist"
    with (lists / "trainlist01.txt").open("a") as file:
        file.write("Archery/v_Archery_g01_c01.avi 3\nArchery/clip.avi 3\n")
        file.write("ApplyEyeMakeup/v_ApplyEyeMakeup_g02_c01.avi 1\n")
    found = UCF101().listing(source, 0.2, 0)
    assert [(f.clip, f.reason) for f in found.failures] == [
        ("trainlist01.txt, line 22", "bad line"),
        ("v_Archery_g01_c01", "unknown label"),
        ("v_ApplyEyeMakeup_g02_c01", "duplicate"),
    ]
    with pytest.raises(SourceError, match=r"trainlist03\.txt does not exist: it is part of"):
        UCF101(fold=3).listing(source, 0.2, 0)
    with pytest.raises(SourceError, match="--fold=0 is not one of 1, 2, 3"):
        UCF101(fold=0)
    (lists / "classInd.txt").write_text("ApplyEyeMakeup\n")
    with pytest.raises(SourceError, match="must have lines like `1 ApplyEyeMakeup`"):
        UCF101().listing(source, 0.2, 0)
    with pytest.raises(SourceError, match=r"classInd\.txt does not exist"):
        UCF101(labels=(str(source),)).listing(source, 0.2, 0)


def test_clips_without_sound_are_kept(source):
    for path in (source / "UCF-101").rglob("*.avi"):
        path.unlink()
    folder = source / "UCF-101" / "ApplyEyeMakeup"
    loud = files.clip(folder / "v_ApplyEyeMakeup_g01_c01.avi", seconds=0.5)
    silent = files.write(folder / "v_ApplyEyeMakeup_g02_c01.avi", files.gray_frames(4))
    for group in (3, 4, 5, 6):
        shutil.copy(silent, source / "UCF-101" / name("ApplyEyeMakeup", group))
    assert loud.exists()
    output = source / "out"
    info = builder.build(
        BuildOptions("ucf101", str(source), str(output), workers=1), progress=False
    )
    assert info.splits["test"].clips == 1
    assert info.splits["test"].without == {}
    assert info.splits["train"].without == {"audio": info.splits["train"].clips}
    assert {reason for reason, _ in failures(output).values()} == {"missing"}
    (record,) = records(output, "test").values()
    assert record.context.feature[schema.AUDIO_SAMPLES].int64_list.value[0] == 8_000
