"""Texts: cells of a list, files, rows of an array; and their vocabulary."""

import collections

import keras
import numpy as np
import pytest

from tests.tfrecords.stored import sets
from tfrecords.building import decoding
from tfrecords.building.errors import MediaError
from tfrecords.building.settings import Settings, Window
from tfrecords.datasets import Arrays, Folders, Manifest, SourceError
from tfrecords.description import DatasetInfo
from tfrecords.stored import StoredText

TEXTS = [
    "The cat, the dog!",
    "A dog; über-dog?\nTwo lines",
    "the END",
    "cat cat",
    "longer than all others, by far: seven words",
    "unseen words",
]


def write(directory, texts=TEXTS, **more):
    """Builds from a list whose cells are the texts."""
    rows = ["text,label,split"]
    for text, split in zip(texts, sets.splits(len(texts)), strict=True):
        rows.append(f'"{text}",x,{split}')
    return sets.listed(directory, "\n".join(rows) + "\n", **more)


@pytest.mark.parametrize("workers", [1, 2])
def test_texts_of_cells_and_the_vocabulary_of_the_training_split(tmp_path, workers):
    info, found, failed = write(tmp_path, workers=workers, clips_per_shard=2)
    assert failed == {}
    assert sorted(clip["text"] for clip in found.values()) == sorted(TEXTS)
    stored = info.modalities["text"]
    # 3, 3, 2 times, and then those that occur once; ties in the reverse order of their bytes
    assert stored.vocabulary == (
        "the", "cat", "dog", "überdog", "two", "lines", "end", "a"
    )  # fmt: skip
    assert stored.max_words == 8
    layer = keras.layers.TextVectorization(max_tokens=10_000)
    layer.adapt(TEXTS[:4])
    assert list(stored.vocabulary) == list(layer.get_vocabulary(include_special_tokens=False))
    again = keras.layers.TextVectorization(vocabulary=list(stored.vocabulary))
    assert np.asarray(again(["the unseen cat"])).tolist() == [[2, 1, 3]]
    assert DatasetInfo.from_json(info.to_json()) == info
    parsed = sets.parsed(tmp_path / "out", info)
    assert {n: c["text"]["text"].decode() for n, c in parsed.items()} == {
        n: c["text"] for n, c in found.items()
    }
    built = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    write(tmp_path, output="again", workers=3 - workers, clips_per_shard=2)
    assert built == {p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()}


def test_the_vocabulary_is_the_most_frequent_words(tmp_path):
    draw = np.random.default_rng(0)
    texts = [" ".join(f"w{k}" for k in draw.integers(0, 12_000, 4_000)) for _ in range(12)]
    info, _, _ = write(tmp_path, texts)
    counts = collections.Counter(" ".join(texts[:10]).split())
    order = sorted(counts, key=lambda word: (counts[word], word.encode()), reverse=True)
    assert len(order) > 9_998
    assert list(info.modalities["text"].vocabulary) == order[:9_998]


def test_texts_without_words_have_an_empty_vocabulary(tmp_path):
    info, found, _ = write(tmp_path, ["...", "!", "??"])
    assert info.modalities["text"] == StoredText((), 0)
    assert len(found) == 3
    info, found, _ = write(tmp_path, ["...", "two words", "??"], output="one")
    assert info.modalities["text"] == StoredText((), 2)


def test_clips_of_text_alone_are_named_by_their_lines_and_stay_together_if_alike(tmp_path):
    text = "text,label\n" + "".join(f"{t},x\n" for t in ("yes", "no", "yes", "perhaps", "no"))
    path = tmp_path / "clips.csv"
    path.write_text(text)
    found = Manifest(labels=(str(path),)).listing(tmp_path, 0.2, 0)
    assert [clip.media_id for clip in found.clips] == [f"clips.csv, line {k}" for k in range(2, 7)]
    assert {clip.path for clip in found.clips} == {""}
    splits = {}
    for clip in found.clips:
        splits.setdefault(clip.files["text"], set()).add(clip.split)
    assert all(len(of) == 1 for of in splits.values())


def test_a_text_gives_no_clip_its_name(tmp_path):
    for k in range(3):
        np.save(tmp_path / f"{k}.npy", np.ones(2))
    text = "text,features,label,split,start\nsame,0.npy,x,train,\nsame,1.npy,x,validation,2\n"
    info, found, _ = sets.listed(tmp_path, text + "other,2.npy,x,test,\n")
    assert list(info.modalities) == ["text", "features"]
    assert set(found) == {"0.npy", "1.npy@2-", "2.npy"}


def test_files_of_text(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffüber\r\n".encode())
    (tmp_path / "B.TXT").write_text(" two words \n")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "spaces.txt").write_text(" \n")
    (tmp_path / "latin.txt").write_bytes("über".encode("latin-1"))
    (tmp_path / "utf16.txt").write_bytes("abc".encode("utf-16-le"))
    (tmp_path / "large.txt").write_text("ü" * (1 << 19) + "x")
    (tmp_path / "full.txt").write_text("x" * (1 << 20), encoding="utf-8-sig")
    (tmp_path / "lfs.txt").write_text("version https://git-lfs.github.com/spec/v1\noid 1\n")
    (tmp_path / "folder.txt").mkdir()
    text = "text,label,split\na.txt,x,train\nB.TXT,x,validation\nfull.txt,x,test\n"
    names = ("empty", "spaces", "latin", "utf16", "large", "lfs", "folder", "gone")
    text += "".join(f"{name}.txt,x,train\n" for name in names)
    text += f"{'y' * (1 << 20)}z,x,train\n,x,train\n"
    _info, found, failed = sets.listed(tmp_path, text, max_failures=20)
    assert {name: clip["text"] for name, clip in found.items() if name != "full.txt"} == {
        "a.txt": "über",
        "B.TXT": "two words",
    }
    assert len(found["full.txt"]["text"]) == 1 << 20
    assert {name: reason for name, (reason, _) in failed.items()} == {
        "empty.txt": "no text",
        "spaces.txt": "no text",
        "latin.txt": "undecodable",
        "utf16.txt": "undecodable",
        "large.txt": "too large",
        "lfs.txt": "lfs pointer",
        "folder.txt": "unreadable",
        "gone.txt": "missing",
        "clips.csv, line 13": "too large",
        "clips.csv, line 14": "missing",
    }
    assert failed["large.txt"][1] == "large.txt has more than 1,048,576 bytes"
    assert failed["utf16.txt"][1] == "utf16.txt is not text in UTF-8: it holds NUL"
    assert failed["latin.txt"][1].startswith("latin.txt is not text in UTF-8: 'utf-8' codec")
    assert failed["empty.txt"][1] == "empty.txt is empty"


def test_an_empty_text_is_a_modality_that_is_missing(tmp_path):
    (tmp_path / "empty.txt").touch()
    for k in range(4):
        np.save(tmp_path / f"{k}.npy", np.ones(2))
    text = "title:text,body:text,features,label,split\na,empty.txt,0.npy,x,train\n"
    text += "b,,1.npy,x,train\n,c,2.npy,x,validation\nd e,f,3.npy,x,test\n"
    info, found, failed = sets.listed(tmp_path, text, require="features")
    assert failed == {}
    assert info.splits["train"].without == {"body": 2}
    assert info.splits["validation"].without == {"title": 1}
    assert info.modalities["title"] == StoredText(("b", "a"), 2)
    assert info.modalities["body"] == StoredText((), 1)
    parsed = sets.parsed(tmp_path / "out", info)
    assert parsed["1.npy"]["body"]["text"] == b""
    assert "body" not in found["empty.txt"]  # named after its first file


@pytest.mark.parametrize("encode", [False, True])
def test_arrays_of_texts(tmp_path, encode):
    texts = np.array(["ä b", "c", "", "d", "e"])
    values = np.char.encode(texts, "utf-8") if encode else texts
    path = sets.save(tmp_path, text=values, label=[0, 1, 0, 1, 0], x=np.arange(5))
    _info, found, failed = sets.built(Arrays(), path, tmp_path / "out")
    assert {name: clip["text"] for name, clip in found.items()} == {
        f"row-{k}": text for k, text in enumerate(texts) if text
    }
    assert failed == {"row-2": ("no text", "row 2 of text is empty")}


def test_arrays_that_are_no_texts_are_refused(tmp_path):
    def said(values):
        path = sets.save(tmp_path, **{"title:text": values, "label": [0, 1, 0]})
        with pytest.raises(SourceError) as error:
            Arrays().listing(path, 0.2, 0)
        return str(error.value)

    wanted = "text is [N] texts, as np.array(texts, str) makes them"
    assert said(np.arange(3)).endswith(wanted)
    assert said(np.array([["a"]] * 3)).endswith(wanted)
    assert "Object arrays are programs" in said(np.array(["a", "b", "c"], object))
    sets.save(tmp_path, text=np.array([b"\xff"]))
    source = decoding.Source("text", tmp_path / "set.npz", "text", 0)
    with pytest.raises(MediaError, match="row 0 of text is not text in UTF-8") as error:
        decoding.decode({"text": source}, Settings(), (), Window())
    assert error.value.reason == "undecodable"


def test_folders_of_texts_and_of_texts_beside_images(tmp_path):
    source = tmp_path / "source"
    for split in ("train", "val", "test"):
        for label in ("ham", "spam"):
            path = source / split / label / "1.txt"
            path.parent.mkdir(parents=True)
            path.write_text(f"{label} of {split}")
    info, found, _ = sets.built(Folders(), source, tmp_path / "out")
    assert found["val/spam/1"]["text"] == "spam of val"
    assert info.modalities["text"].vocabulary == ("train", "of", "spam", "ham")
    assert info.modalities["text"].max_words == 3
    for path in list(source.rglob("*.txt")):
        np.save(path.with_suffix(".npy"), np.ones(3))
    info, found, _ = sets.built(Folders(), source, tmp_path / "both")
    assert list(info.modalities) == ["text", "features"]
    info, found, _ = sets.built(Folders(modalities=("features",)), source, tmp_path / "one")
    assert list(info.modalities) == ["features"]
    with pytest.raises(SourceError, match="--modalities: the modality odour is of the kind"):
        Folders(modalities=("odour",)).listing(source, 0.2, 0)


def test_path_holds_texts_where_all_are_files_of_text(tmp_path):
    text = "path,label,split\n"
    for k, split in enumerate(sets.splits(3)):
        (tmp_path / f"{k}.txt").write_text(f"text {k}")
        text += f"{k}.txt,x,{split}\n"
    _info, found, _ = sets.listed(tmp_path, text)
    assert {name: clip["text"] for name, clip in found.items()} == {
        f"{k}.txt": f"text {k}" for k in range(3)
    }


def test_impossible_descriptions_are_refused():
    StoredText(("a", "b"), 3).check()
    for wrong in (
        StoredText(("a", "a")), StoredText(("",)), StoredText((1,)), StoredText("ab"),
        StoredText((), -1), StoredText(tuple(map(str, range(10_001)))),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="not a description of a record set"):
            wrong.check()
