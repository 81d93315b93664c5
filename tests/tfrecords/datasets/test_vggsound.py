import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords.datasets import vggsound
from tfrecords.datasets.listing import SourceError, draw

IDS = st.text("abcXYZ019_-", min_size=11, max_size=11)
LABELS = st.sampled_from(vggsound.class_names())


def write_list(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def by_name(listing):
    return {clip.media_id: clip for clip in listing.clips}


def test_the_classes_are_the_309_in_sorted_order():
    names = vggsound.class_names()
    assert len(names) == len(set(names)) == 309
    assert list(names) == sorted(names)
    assert sum("," in name for name in names) == 23
    assert names.index("playing hammond organ") == 203


@given(IDS, st.integers(0, 99_999), LABELS, st.sampled_from(["train", "test"]))
def test_lines_of_the_list_parse(youtube_id, start, label, split):
    name = f"{youtube_id}_{start:06d}"
    expected = (youtube_id, name, label, split)
    assert vggsound.parse([youtube_id, str(start), label, split], "train") == expected
    assert vggsound.parse([f"{name}.mp4", label], split) == expected


@given(st.lists(st.text(max_size=20), max_size=6))
def test_any_other_line_raises_value_error_alone(cells):
    try:
        youtube_id, name, _, split = vggsound.parse(cells, "test")
    except ValueError:
        return
    assert name.startswith(f"{youtube_id}_")
    assert split in ("train", "test")
    assert "/" not in name  # it becomes a path


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a", "b", "c"], "3 cells instead of"),
        (["a/../b", "1", "c", "train"], "'a/../b' is not a YouTube id"),
        (["abc", "1.5", "c", "train"], "start '1.5' is not a whole number"),
        (["abc", "1", "c", "dev"], "split 'dev' is neither train nor test"),
        (["abc.mp4", "c"], "'abc.mp4' is not <youtube_id>_<start, six digits>.mp4"),
    ],
)
def test_bad_lines_say_what_is_wrong(cells, message):
    with pytest.raises(ValueError) as error:
        vggsound.parse(cells, "test")
    assert message in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("header", ["", "YouTube ID,start seconds,label,train/test split\n"])
def test_real_forms_of_the_list(tmp_path, encoding, ends, header):
    text = header + '-0abcdefghi,30,"bird chirping, tweeting",test\nxyz12345678,7,airplane,train\n'
    path = write_list(tmp_path / "vggsound.csv", text.replace("\n", ends), encoding)
    listing = vggsound.listing(tmp_path, [path], validation_fraction=1e-9)
    clips = by_name(listing)
    assert listing.failures == ()
    assert set(clips) == {"-0abcdefghi_000030", "xyz12345678_000007"}
    bird = clips["-0abcdefghi_000030"]
    assert listing.classes[bird.labels[0]] == "bird chirping, tweeting"
    assert bird.split == "test"
    assert bird.files["video"] == "-0abcdefghi_000030.mp4"
    assert clips["xyz12345678_000007"].split == "train"


def test_the_form_with_file_names_takes_the_split_from_the_lists_name(tmp_path):
    train = write_list(tmp_path / "train.csv", "aaaaaaaaaaa_000001.mp4,airplane\n")
    test = write_list(tmp_path / "test.csv", "bbbbbbbbbbb_000002.mp4,airplane\n")
    listing = vggsound.listing(tmp_path, [train, test], validation_fraction=1e-9)
    assert {c.media_id: c.split for c in listing.clips} == {
        "aaaaaaaaaaa_000001": "train",
        "bbbbbbbbbbb_000002": "test",
    }


def test_nothing_that_is_listed_gets_lost(tmp_path):
    text = (
        "aaaaaaaaaaa,1,airplane,train\n"
        "aaaaaaaaaaa,1,airplane,train\n"
        "bbbbbbbbbbb,1,spaceship,test\n"
        "ccccccccccc,one,airplane,test\n"
        "aaaaaaaaaaa,2,airplane,train\n"
    )
    path = write_list(tmp_path / "vggsound.csv", text)
    listing = vggsound.listing(tmp_path, [path], validation_fraction=1e-9)
    assert [c.media_id for c in listing.clips] == ["aaaaaaaaaaa_000001", "aaaaaaaaaaa_000002"]
    assert [(f.clip, f.split, f.reason, f.detail) for f in listing.failures] == [
        ("vggsound.csv, line 4", "", "bad line", "start 'one' is not a whole number of seconds"),
        ("aaaaaaaaaaa_000001", "train", "duplicate", "vggsound.csv, line 2: listed before"),
        ("bbbbbbbbbbb_000001", "test", "unknown label", "vggsound.csv, line 3: 'spaceship'"),
    ]


def test_validation_is_cut_from_train_by_video(tmp_path):
    rows = [f"video{v:06d},{s},airplane,train" for v in range(400) for s in (0, 10, 20)]
    rows += [f"other{v:06d},0,airplane,test" for v in range(50)]
    write_list(tmp_path / "vggsound.csv", "\n".join(rows))
    listing = vggsound.listing(tmp_path, validation_fraction=0.25, seed=1)
    splits = collections.defaultdict(set)
    for clip in listing.clips:
        splits[clip.media_id.split("_")[0]].add(clip.split)
    assert all(len(parts) == 1 for parts in splits.values())
    count = sum(parts == {"validation"} for parts in splits.values())
    assert 70 < count < 130  # 100 expected, five standard deviations
    assert sum(clip.split == "test" for clip in listing.clips) == 50
    write_list(tmp_path / "vggsound.csv", "\n".join(reversed(rows)))
    again = vggsound.listing(tmp_path, validation_fraction=0.25, seed=1)
    assert by_name(again) == by_name(listing)
    other = vggsound.listing(tmp_path, validation_fraction=0.25, seed=2)
    assert by_name(other) != by_name(listing)


def test_a_small_list_has_validation_clips(tmp_path):
    """No draw of two videos is below one part in a thousand: the lower of the two is taken."""
    names = ["aaaaaaaaaaa,1", "aaaaaaaaaaa,9", "bbbbbbbbbbb,1"]
    write_list(tmp_path / "vggsound.csv", "".join(f"{n},dog barking,train\n" for n in names))
    for seed in range(20):
        found = vggsound.listing(tmp_path, validation_fraction=1e-3, seed=seed)
        splits = {clip.media_id: clip.split for clip in found.clips}
        assert set(splits.values()) == {"train", "validation"}
        assert splits["aaaaaaaaaaa_000001"] == splits["aaaaaaaaaaa_000009"]
    write_list(tmp_path / "vggsound.csv", "aaaaaaaaaaa,1,dog barking,train\n")
    (clip,) = vggsound.listing(tmp_path, validation_fraction=1e-3).clips
    assert clip.split == "train"


def test_clips_are_found_in_the_source_then_below_it(tmp_path):
    names = ["aaaaaaaaaaa_000001", "bbbbbbbbbbb_000001", "ccccccccccc_000001"]
    write_list(tmp_path / "vggsound.csv", "".join(f"{n[:11]},1,airplane,test\n" for n in names))
    (tmp_path / "video" / "b").mkdir(parents=True)
    (tmp_path / "video" / "loop").symlink_to(tmp_path)
    (tmp_path / f"{names[0]}.mp4").touch()
    (tmp_path / "video" / f"{names[0]}.mp4").touch()
    (tmp_path / "video" / "b" / f"{names[1]}.mp4").touch()
    clips = by_name(vggsound.listing(tmp_path))
    assert clips[names[0]].files["video"] == f"{names[0]}.mp4"
    assert clips[names[1]].files["video"] == f"video/b/{names[1]}.mp4"
    assert clips[names[2]].files["video"] == f"{names[2]}.mp4"  # nowhere: decoding will say so


def test_unusable_sources_are_refused_in_one_clear_line(tmp_path):
    with pytest.raises(SourceError, match=r"--source=.*nowhere is not a directory"):
        vggsound.listing(tmp_path / "nowhere")
    with pytest.raises(SourceError, match=r"vggsound\.csv does not exist: give .*--labels"):
        vggsound.listing(tmp_path)
    path = write_list(tmp_path / "a.csv", "aaaaaaaaaaa,1,spaceship,train\n")
    with pytest.raises(SourceError, match=r"no usable clip .* unknown label: a\.csv, line 1"):
        vggsound.listing(tmp_path, [path])
    text = 'aaaaaaaaaaa,1,"airplane,train\nbbbbbbbbbbb,1,airplane,test'
    path = write_list(tmp_path / "b.csv", text)
    with pytest.raises(SourceError, match=r"b\.csv, line 2: unexpected end of data"):
        vggsound.listing(tmp_path, [path])
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match=r"b\.csv cannot be read as CSV"):
        vggsound.listing(tmp_path, [path])


@given(st.integers(), st.text())
def test_draws_are_stable_fractions(seed, name):
    assert 0 <= draw(seed, name) < 1
    assert draw(seed, name) == draw(seed, name)


def test_draws_are_the_same_on_every_machine():
    # The first 53 bits of BLAKE2b("0/a"), as a fraction.
    assert draw(0, "a") == 0.7169675202522006
