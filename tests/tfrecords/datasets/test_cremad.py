import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tfrecords import files
from tfrecords.datasets import cremad
from tfrecords.datasets.listing import SourceError

NAMES = st.builds(
    "{}_{}_{}_{}".format,
    st.integers(1001, 1091),
    st.sampled_from(["IEO", "TIE", "IOM", "DFA"]),
    st.sampled_from(cremad.CLASSES),
    st.sampled_from(["XX", "LO", "MD", "HI", "X"]),
)


@given(NAMES)
def test_names_come_apart(name):
    assert "_".join(cremad.parse(name)) == name


@given(st.text(max_size=20))
def test_other_names_raise_value_error_alone(name):
    try:
        parts = cremad.parse(name)
    except ValueError:
        return
    assert "_".join(parts) == name


@pytest.fixture
def source(tmp_path):
    """The lists of a small CREMA-D of 26 actors, 14 men, with six clips each; no media."""
    actors = [str(1001 + i) for i in range(26)]
    names = [f"{a}_IEO_{e}_XX" for a in actors for e in cremad.CLASSES]
    rows = [f'{i},"{name}"' for i, name in enumerate(names)]
    (tmp_path / "SentenceFilenames.csv").write_text(
        "\n".join(['"Stimulus_Number","Filename"', *rows]) + "\n"
    )
    people = [f'{a},30,"{"Male" if i < 14 else "Female"}","x","y"' for i, a in enumerate(actors)]
    (tmp_path / "VideoDemographics.csv").write_text(
        "\n".join(['"ActorID","Age","Sex","Race","Ethnicity"', *people]) + "\n"
    )
    return tmp_path


def actors(listing, split):
    return {clip.media_id[:4] for clip in listing.clips if clip.split == split}


def men(names):
    return sum(int(name) < 1015 for name in names)


def test_labels_are_the_published_ids(source):
    listing = cremad.listing(source)
    assert listing.classes == ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")
    labels = {clip.media_id: clip.labels for clip in listing.clips}
    assert len(labels) == 156
    assert labels["1001_IEO_NEU_XX"] == (0,)
    assert labels["1003_IEO_ANG_XX"] == (5,)
    assert listing.failures == ()


def test_the_default_split_is_speaker_independent_and_balanced_by_sex(source):
    listing = cremad.listing(source)
    train, validation, test = (actors(listing, s) for s in ("train", "validation", "test"))
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert (len(train), len(validation), len(test)) == (18, 4, 4)
    assert men(test) == 2
    assert men(validation) == 2
    assert cremad.listing(source) == listing
    assert actors(cremad.listing(source, seed=1), "test") != test


def test_folds_test_on_each_actor_once(source):
    tests = []
    for fold in range(5):
        listing = cremad.listing(source, folds=5, fold=fold)
        test = actors(listing, "test")
        assert not test & (actors(listing, "train") | actors(listing, "validation"))
        assert 2 <= men(test) <= 3
        tests += test
    assert len(tests) == len(set(tests)) == 26


def publish(directory, rows):
    directory.mkdir(exist_ok=True)
    for split, names in rows.items():
        text = "".join(f"{name},{name.split('_')[2]}\r\n" for name in names)
        (directory / f"{split}.csv").write_bytes(text.encode("utf-8-sig"))
    return directory


def test_the_published_split_is_kept_its_leak_stated_and_validation_cut_by_actor(source):
    names = [clip.media_id for clip in cremad.listing(source).clips]
    rows = {"test": names[::6], "train": [n for i, n in enumerate(names) if i % 6]}
    lists = publish(source / "lists", rows)
    listing = cremad.listing(source, [lists], split="published")
    splits = collections.defaultdict(set)
    for clip in listing.clips:
        splits[clip.split].add(clip.media_id)
    assert splits["test"] == set(rows["test"])
    assert splits["train"] | splits["validation"] == set(rows["train"])
    assert not actors(listing, "train") & actors(listing, "validation")
    assert len(actors(listing, "validation")) == 5
    assert listing.notes == "published split: 26 actors are in both train and test"


def test_the_published_split_accounts_for_every_clip(source):
    names = [clip.media_id for clip in cremad.listing(source).clips]
    rows = {"test": [names[0], names[1]], "train": [*names[1:-1], "1099_IEO_ANG_XX"]}
    publish(source, rows)
    listing = cremad.listing(source, split="published")
    assert {(f.clip, f.split, f.reason) for f in listing.failures} == {
        (names[1], "test", "duplicate"),
        (names[-1], "", "no split"),
        ("1099_IEO_ANG_XX", "train", "unknown clip"),
    }
    assert len(listing.clips) == 155


def test_the_random_split_mixes_actors_and_says_so(source):
    listing = cremad.listing(source, split="random")
    counts = collections.Counter(clip.split for clip in listing.clips)
    assert counts == {"test": 24, "validation": 24, "train": 108}
    assert actors(listing, "train") & actors(listing, "test")
    assert listing.notes == "random split: the same actors are in all splits"


def test_without_the_list_the_files_are_listed(source):
    (source / "SentenceFilenames.csv").unlink()
    for actor in ("1001", "1002", "1020"):
        (source / "VideoFlash").mkdir(exist_ok=True)
        (source / "VideoFlash" / f"{actor}_DFA_ANG_XX.flv").touch()
    (source / "AudioWAV").mkdir()
    (source / "AudioWAV" / "1001_DFA_ANG_XX.wav").touch()
    (source / "AudioWAV" / "notes.wav").touch()
    listing = cremad.listing(source)
    clips = {clip.media_id: clip for clip in listing.clips}
    assert len(clips) == 3
    assert clips["1001_DFA_ANG_XX"].files["video"] == "VideoFlash/1001_DFA_ANG_XX.flv"
    assert clips["1001_DFA_ANG_XX"].files["audio"] == "AudioWAV/1001_DFA_ANG_XX.wav"
    sound = clips["1002_DFA_ANG_XX"].files["audio"]
    assert sound == "VideoFlash/1002_DFA_ANG_XX.flv"  # without a file of its own
    assert [(f.clip, f.reason) for f in listing.failures] == [("notes", "bad line")]


def test_lines_that_do_not_fit_are_failures(source):
    with (source / "SentenceFilenames.csv").open("a") as file:
        file.write('8,"1001_IEO_NEU_XX"\n9,"1001_IEO_JOY_XX"\n10,"what"\n')
    listing = cremad.listing(source)
    assert len(listing.clips) == 156
    assert [(f.clip, f.reason) for f in listing.failures] == [
        ("1001_IEO_NEU_XX", "duplicate"),
        ("1001_IEO_JOY_XX", "unknown label"),
        ("what", "bad line"),
    ]


def test_what_is_missing_is_named_and_where_to_get_it(source, tmp_path):
    def message(*arguments, **options):
        with pytest.raises(SourceError) as error:
            cremad.listing(*arguments, **options)
        return str(error.value)

    assert "nowhere is not a directory" in message(tmp_path / "nowhere")
    assert "--folds=1 leaves no actor to train on" in message(source, folds=1)
    said = message(source, split="published")
    assert "train.csv does not exist: --split=published needs train.csv and test.csv" in said
    publish(source, {"train": ["1001_IEO_ANG_XX", "1099_IEO_ANG_XX"], "test": []})
    said = message(source, split="published")
    assert "train.csv names too few actors of CREMA-D (1): training and validation need" in said
    files.pointer(source / "VideoDemographics.csv")
    assert "VideoDemographics.csv is a Git LFS pointer: run `git lfs pull`" in message(source)
    (source / "VideoDemographics.csv").unlink()
    said = message(source)
    assert "VideoDemographics.csv does not exist: it is part of the CREMA-D repository" in said
    (source / "VideoDemographics.csv").write_text("a,b\n1,2\n")
    assert "has no columns ActorID and Sex" in message(source)
    (source / "SentenceFilenames.csv").write_text("Filename\n1001_IEO_ANG_XX\n1002_IEO_ANG_XX\n")
    assert "2 actors are too few for a speaker-independent split into 3 parts" in message(source)
    (source / "SentenceFilenames.csv").unlink()
    assert "--source must be a clone of the CREMA-D repository" in message(source)
