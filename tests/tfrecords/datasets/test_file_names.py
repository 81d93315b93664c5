"""Clips are found under other endings than the published, which comes first where it is there."""

import pathlib

import pytest

from tfrecords.datasets import AVE, RAVDESS, UCF101, Cremad, Folders, Grid, KineticsSounds, VGGSound

OTHERS = [".mkv", ".webm", ".MP4", ".mov", ".avi", ".AVI", ".ts", ".Mpg"]


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def vggsound(source):
    write(source / "vggsound.csv", "abc,1,airplane,train\n")
    return VGGSound(), "sub/abc_000001.mp4"


def ave(source):
    write(source / "trainSet.txt", "Bark&barkBarkBar&good&1&9\n")
    write(source / "valSet.txt", "Bark&otherBarkBa&good&1&9\n")
    write(source / "testSet.txt", "\n")
    return AVE(), "AVE/barkBarkBar.mp4"


def kinetics_in_lists(source):
    head = "label,youtube_id,time_start,time_end,split\n"
    lines = "singing,abcdefghijk,1,11,train\nsinging,lmnopqrstuv,1,11,train\n"
    write(source / "train.csv", head + lines)
    return KineticsSounds(), "any/abcdefghijk_000001_000011.mp4"


def kinetics_in_folders(source):
    write(source / "train/singing/lmnopqrstuv_000001_000011.mp4")
    return KineticsSounds(), "train/singing/abcdefghijk_000001_000011.mp4"


def ravdess(source):
    for actor in range(2, 9):
        write(source / f"Actor_{actor:02d}" / f"01-01-01-01-02-01-{actor:02d}.mp4")
    return RAVDESS(), "Actor_01/01-01-01-01-02-01-01.mp4"


def ucf101(source):
    lists = source / "ucfTrainTestlist"
    write(lists / "classInd.txt", "1 Archery\n")
    names = [f"Archery/v_Archery_g0{k}_c01.avi" for k in (1, 2, 3)]
    write(lists / "trainlist01.txt", f"{names[0]} 1\n{names[1]} 1\n")
    write(lists / "testlist01.txt", f"{names[2]}\n")
    return UCF101(), "Archery/v_Archery_g01_c01.avi"


def grid(source):
    for speaker in (1, 2, 3):
        write(source / f"s{speaker}/align/bbaf2n.align", "0 9000 bin\n")
        if speaker > 1:
            write(source / f"s{speaker}/bbaf2n.mpg")
    return Grid(), "s1/bbaf2n.mpg"


def cremad(source):
    for actor in range(1002, 1007):
        write(source / f"VideoFlash/{actor}_DFA_ANG_XX.flv")
    people = "".join(
        f"{actor},30,{'Male' if actor % 2 else 'Female'}\n" for actor in range(1001, 1007)
    )
    write(source / "VideoDemographics.csv", f"ActorID,Age,Sex\n{people}")
    return Cremad(), "VideoFlash/1001_DFA_ANG_XX.flv"


def folders(source):
    write(source / "dog/2.mp4")
    write(source / "dog/3.mp4")
    return Folders(), "dog/1.mp4"


SETS = [
    vggsound, ave, kinetics_in_lists, kinetics_in_folders, ravdess, ucf101, grid, cremad, folders,
]  # fmt: skip


def films(dataset, source):
    """The files of all pictures that are there."""
    listed = dataset.listing(source, 0.2, 0)
    assert listed.failures == ()
    paths = {clip.files["video"] for clip in listed.clips}
    return {path for path in paths if (source / path).exists()}


@pytest.mark.parametrize("ending", OTHERS)
@pytest.mark.parametrize("make", SETS)
def test_clips_are_found_under_other_endings(tmp_path, make, ending):
    dataset, published = make(tmp_path)
    path = pathlib.PurePath(published).with_suffix(ending)
    write(tmp_path / path)
    assert path.as_posix() in films(dataset, tmp_path)


@pytest.mark.parametrize("make", [each for each in SETS if each is not folders])
def test_the_published_ending_comes_first(tmp_path, make):
    dataset, published = make(tmp_path)
    path = pathlib.PurePath(published)
    for ending in (".3gp", path.suffix, path.suffix.upper(), ".webm"):
        write(tmp_path / path.with_suffix(ending))
    assert published in films(dataset, tmp_path)


def test_what_is_no_film_is_not_taken_for_one(tmp_path):
    dataset, published = vggsound(tmp_path)
    for ending in (".wav", ".txt", ".json", ".part", ""):
        write((tmp_path / published).with_suffix(ending))
    assert films(dataset, tmp_path) == set()


def test_the_sound_of_crema_d_may_have_another_ending(tmp_path):
    dataset, published = cremad(tmp_path)
    write(tmp_path / published)
    write(tmp_path / "AudioWAV/1001_DFA_ANG_XX.FLAC")
    write(tmp_path / "AudioMP3/1002_DFA_ANG_XX.mp3")
    files = {clip.media_id: clip.files["audio"] for clip in dataset.listing(tmp_path, 0.2, 0).clips}
    assert files["1001_DFA_ANG_XX"] == "AudioWAV/1001_DFA_ANG_XX.FLAC"
    assert files["1002_DFA_ANG_XX"] == "VideoFlash/1002_DFA_ANG_XX.flv"
