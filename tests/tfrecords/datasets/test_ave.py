"""AVE in its published layout."""

import pytest

from tfrecords.datasets import AVE, SourceError, ave

HEADER = "Category&VideoID&Quality&StartTime&EndTime\n"


@pytest.fixture
def source(tmp_path):
    """Three lists and the films of their videos; no film holds anything."""
    (tmp_path / "trainSet.txt").write_text(
        HEADER + "Church bell&-RUhOCu3LNX&good&0&10\nBaby cry, infant cry&twoEvents_1&good&2&5\n"
        "Clock&twoEvents_1&good&6&10\nClock&zeroLength1&good&0&0\n"
    )
    (tmp_path / "valSet.txt").write_text("Bark&barkBarkBar&good&1&9\n", encoding="utf-8-sig")
    (tmp_path / "testSet.txt").write_text("Horse&horseHorseH&good&0&10\r\n")
    (tmp_path / "AVE").mkdir()
    for video in ("-RUhOCu3LNX", "twoEvents_1", "zeroLength1", "barkBarkBar", "horseHorseH"):
        (tmp_path / "AVE" / f"{video}.mp4").touch()
    return tmp_path


def test_the_published_splits_and_whole_clips(source):
    found = AVE().listing(source, 0.5, 0)
    assert found.classes == ave.CLASSES == tuple(sorted(ave.CLASSES))
    assert len(found.classes) == 28
    assert found.failures == ()
    clips = {clip.media_id: clip for clip in found.clips}
    assert [(name, clip.split) for name, clip in clips.items()] == [
        ("-RUhOCu3LNX_0-10_Church bell", "train"),
        ("twoEvents_1_2-5_Baby cry, infant cry", "train"),
        ("twoEvents_1_6-10_Clock", "train"),
        ("zeroLength1_0-0_Clock", "train"),
        ("barkBarkBar_1-9_Bark", "validation"),
        ("horseHorseH_0-10_Horse", "test"),
    ]
    cry = clips["twoEvents_1_2-5_Baby cry, infant cry"]
    assert [found.classes[i] for i in cry.labels] == ["Baby cry, infant cry"]
    assert cry.files == dict.fromkeys(("audio", "video"), "AVE/twoEvents_1.mp4")
    assert (cry.start, cry.end) == (0.0, None)


def test_events_are_cut_out_if_wanted(source):
    found = AVE(events=True).listing(source, 0.5, 0)
    clips = {clip.media_id: clip for clip in found.clips}
    assert (clips["twoEvents_1_6-10_Clock"].start, clips["twoEvents_1_6-10_Clock"].end) == (6, 10)
    assert [(f.clip, f.reason) for f in found.failures] == [("zeroLength1_0-0_Clock", "bad line")]


def test_lines_that_do_not_fit_are_counted(source):
    with (source / "trainSet.txt").open("a") as file:
        file.write("Church bell&-RUhOCu3LNX&good&0&10\nSpaceship&spaceshipSp&good&0&10\n")
        file.write("Clock&x\nClock&../../x&good&0&1\nClock&goneGoneGon&good&0&ten\n")
        file.write("Clock&goneGoneGon&good&0&10\n")
    found = AVE().listing(source, 0.5, 0)
    assert [(f.clip, f.reason) for f in found.failures] == [
        ("trainSet.txt, line 8", "bad line"),
        ("trainSet.txt, line 9", "bad line"),
        ("trainSet.txt, line 10", "bad line"),
        ("-RUhOCu3LNX_0-10_Church bell", "duplicate"),
        ("spaceshipSp_0-10_Spaceship", "unknown label"),
    ]
    gone = next(clip for clip in found.clips if clip.media_id.startswith("gone"))
    assert gone.path == "AVE/goneGoneGon.mp4"  # decoding will say that it is missing


def test_a_video_of_two_splits_is_told(source):
    with (source / "testSet.txt").open("a") as file:
        file.write("Clock&twoEvents_1&good&6&9\n")
    notes = AVE().listing(source, 0.5, 0).notes
    assert "groups in two of the given splits: 1, 'twoEvents_1' for one" in notes


def test_missing_lists_are_named(source):
    (source / "valSet.txt").unlink()
    with pytest.raises(SourceError, match=r"valSet\.txt does not exist: --source must be the"):
        AVE().listing(source, 0.5, 0)
