"""Kinetics-Sounds in folders and by the lists of Kinetics."""

import collections

import pytest

from tfrecords.datasets import KineticsSounds, SourceError, kinetics_sounds


def touch(directory, *names):
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def splits(found):
    return {clip.media_id: clip.split for clip in found.clips}


def test_folders(tmp_path):
    touch(
        tmp_path,
        *(f"train/bowling/-bcdefgh_{k:02d}_000001_000011.mp4" for k in range(4)),
        "k400/val/playing_guitar/abcdefghij1_000100_000110.mp4",
        "test/tap dancing/abcdefghij2_000000_000010.MKV",
        "train/archery/abcdefghij3_000000_000010.mp4",
        "train/bowling/notes.mp4",
        "abcdefghij4_000000_000010.mp4",
    )
    found = KineticsSounds().listing(tmp_path, 0.2, 0)
    assert found.classes == kinetics_sounds.CLASSES == tuple(sorted(kinetics_sounds.CLASSES))
    assert len(found.classes) == 31
    assert splits(found) == {
        **{f"-bcdefgh_{k:02d}_000001_000011": "train" for k in range(4)},
        "abcdefghij1_000100_000110": "validation",
        "abcdefghij2_000000_000010": "test",
    }
    guitar = next(clip for clip in found.clips if clip.split == "validation")
    assert found.classes[guitar.labels[0]] == "playing guitar"
    assert guitar.path == "k400/val/playing_guitar/abcdefghij1_000100_000110.mp4"
    assert "clips of Kinetics' other classes left out: 1" in found.notes


def write_lists(directory, **lists):
    for name, lines in lists.items():
        text = "label,youtube_id,time_start,time_end,split\n" + "\n".join(lines) + "\n"
        (directory / f"{name}.csv").write_text(text)


def test_lists_find_clips_anywhere_and_count_what_is_wrong(tmp_path):
    write_lists(
        tmp_path,
        train=[
            "bowling,abcdefghij1,7,17,train",
            '"blowing nose",abcdefghij2,10,20,train',
            "archery,abcdefghij3,10,20,train",
            "bowling,abcdefghij4,ten,20,train",
            "bowling,abcdefghij1,7,17,train",
            "bowling,abcdefghij5",
        ],
        val=["singing,-bcdefghij6,0,10,validate"],
        test=["singing,abcdefghij7,0,10,test"],
    )
    touch(tmp_path, "clips/a/abcdefghij1_000007_000017.mp4")
    found = KineticsSounds().listing(tmp_path, 0.2, 0)
    assert splits(found) == {
        "abcdefghij1_000007_000017": "train",
        "abcdefghij2_000010_000020": "train",
        "-bcdefghij6_000000_000010": "validation",
        "abcdefghij7_000000_000010": "test",
    }
    assert found.clips[0].path == "clips/a/abcdefghij1_000007_000017.mp4"
    assert found.clips[1].path == "abcdefghij2_000010_000020.mp4"
    assert [(f.clip, f.reason) for f in found.failures] == [
        ("train.csv, line 5", "bad line"),
        ("train.csv, line 7", "bad line"),
        ("abcdefghij1_000007_000017", "duplicate"),
    ]


def test_without_a_test_split_validation_is_test_and_train_is_cut(tmp_path):
    rows = [f"bowling,abcdefgh{k:03d},0,10,train" for k in range(20)]
    write_lists(tmp_path, train=rows, val=[f"bowling,xbcdefgh{k:03d},0,10,val" for k in range(5)])
    found = KineticsSounds().listing(tmp_path, 0.2, 0)
    counts = collections.Counter(splits(found).values())
    assert counts == {"train": 16, "validation": 4, "test": 5}
    assert "Kinetics' validation split is the test split" in found.notes


def test_sources_that_cannot_be_used_are_one_clear_error(tmp_path):
    with pytest.raises(SourceError, match=r"holds no clip of Kinetics-Sounds in train\|val\|test"):
        KineticsSounds().listing(tmp_path, 0.2, 0)
    (tmp_path / "train.csv").write_text("name,label\nx,y\n")
    with pytest.raises(SourceError, match="no column youtube_id, time_start, time_end"):
        KineticsSounds().listing(tmp_path, 0.2, 0)
    with pytest.raises(SourceError, match=r"nowhere\.csv does not exist"):
        KineticsSounds(labels=(str(tmp_path / "nowhere.csv"),)).listing(tmp_path, 0.2, 0)
