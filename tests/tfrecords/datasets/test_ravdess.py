"""RAVDESS in its published layout."""

import collections

import pytest

from tfrecords.datasets import RAVDESS, SourceError, ravdess


@pytest.fixture
def source(tmp_path):
    """Ten actors with each emotion spoken and two sung; empty films."""
    for actor in range(1, 11):
        folder = tmp_path / f"Actor_{actor:02d}"
        folder.mkdir()
        for emotion in range(1, 9):
            (folder / f"01-01-{emotion:02d}-01-02-01-{actor:02d}.mp4").touch()
        for emotion in (1, 3):
            (folder / f"01-02-{emotion:02d}-01-02-01-{actor:02d}.mp4").touch()
    return tmp_path


def test_no_actor_is_in_two_splits_and_each_split_has_all_emotions(source):
    found = RAVDESS().listing(source, 0.2, 0)
    assert found.classes == ravdess.CLASSES
    assert len(found.clips) == 80
    actors, emotions = collections.defaultdict(set), collections.defaultdict(set)
    for clip in found.clips:
        assert clip.labels[0] == int(clip.media_id.split("-")[1]) - 1
        actors[clip.split].add(clip.media_id[-2:])
        emotions[clip.split] |= set(clip.labels)
    assert sum(map(len, actors.values())) == 10
    assert all(found == set(range(8)) for found in emotions.values())
    assert set(emotions) == {"train", "validation", "test"}


@pytest.mark.parametrize(("channel", "count"), [("speech", 80), ("song", 20), ("both", 100)])
def test_speech_song_or_both(source, channel, count):
    assert len(RAVDESS(channel=channel).listing(source, 0.2, 0).clips) == count


def test_versions_of_a_performance_are_one_clip(source):
    folder = source / "Actor_01"
    (folder / "02-01-01-01-02-01-01.mp4").touch()
    (folder / "03-01-01-01-02-01-01.wav").touch()
    for name in (
        "02-01-08-02-01-01-01.mp4",
        "03-01-08-02-01-01-01.wav",
        "03-01-08-02-01-02-01.wav",
    ):
        (folder / name).touch()
    clips = {clip.media_id: dict(clip.files) for clip in RAVDESS().listing(source, 0.2, 0).clips}
    film = "Actor_01/01-01-01-01-02-01-01.mp4"
    assert clips["01-01-01-02-01-01"] == {"audio": film, "video": film}
    assert clips["01-08-02-01-01-01"] == {
        "audio": "Actor_01/03-01-08-02-01-01-01.wav",
        "video": "Actor_01/02-01-08-02-01-01-01.mp4",
    }
    assert clips["01-08-02-01-02-01"] == {"audio": "Actor_01/03-01-08-02-01-02-01.wav"}


def test_other_names_are_counted_and_other_sources_refused(source, tmp_path_factory):
    for name in ("01-01-09-01-02-01-01.mp4", "outtake.wav"):
        (source / "Actor_01" / name).touch()
    failures = RAVDESS().listing(source, 0.2, 0).failures
    assert [(f.clip, f.reason) for f in failures] == [
        ("Actor_01/01-01-09-01-02-01-01.mp4", "bad line"),
        ("Actor_01/outtake.wav", "bad line"),
    ]
    with pytest.raises(SourceError, match="holds no files of RAVDESS of --channel=song"):
        RAVDESS(channel="song").listing(tmp_path_factory.mktemp("empty"), 0.2, 0)
    with pytest.raises(SourceError, match="--channel=dance is not one of speech, song, both"):
        RAVDESS(channel="dance")
