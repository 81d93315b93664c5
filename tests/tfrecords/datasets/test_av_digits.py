"""Audio-visual digits, made of small sources in the published layouts."""

import gzip
import shutil
import struct

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA

from tests.tfrecords import files
from tests.tfrecords.building.test_build import failures
from tfrecords import schema
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import AVDigits, SourceError, av_digits, av_digits_clips, idx
from tfrecords.stored import StoredAudio, StoredImage

SPEAKERS = ("george", "jackson", "lucas", "theo")
SIDE = 8  # pixels
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
AS_IT_IS = AVDigits(noise="none", variance=1.0)


def write_idx(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    content = header + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A recording of each digit by four speakers, six pictures a digit, noise of folds 1 and 5."""
    source = tmp_path_factory.mktemp("published")
    for digit in range(10):
        sound = files.tone(200 + 50 * digit, 0.3, rate=8_000, level=0.1)
        one = source / "fsdd" / "recordings" / f"{digit}_{SPEAKERS[0]}_0.wav"
        files.write(one, sound=sound, rate=8_000)
        for speaker in SPEAKERS[1:]:
            shutil.copy(one, one.with_name(f"{digit}_{speaker}_0.wav"))
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (60, SIDE, SIDE))
    pictures[:, 0, 0] = labels = np.arange(60) % 10
    write_idx(source / "MNIST" / "raw" / f"{IMAGES}.gz", pictures)
    write_idx(source / "MNIST" / "raw" / LABELS, labels)
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for fold, name, ten in ((1, "1-1-A-0", True), (5, "5-1-A-0", True), (5, "5-2-A-7", False)):
        files.write(
            source / "ESC-50" / "audio" / f"{name}.wav",
            sound=0.1 * rng.standard_normal(44_100).astype(np.float32), rate=44_100,
        )  # fmt: skip
        lines.append(f"{name}.wav,{fold},0,dog,{ten},1,A")
    (source / "ESC-50" / "meta").mkdir()
    (source / "ESC-50" / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")
    return source


@pytest.fixture
def source(published, tmp_path):
    return shutil.copytree(published, tmp_path / "source")


def contents(source):
    return {path.name: path.read_bytes() for path in (source / av_digits.CLIPS).iterdir()}


def test_a_clip_is_a_recording_and_a_picture_of_its_digit_that_no_other_has(source):
    AS_IT_IS.prepare(source, 0, 2, False)
    found = AS_IT_IS.listing(source, 0.3, 0)
    assert found.failures == ()
    assert found.classes == av_digits.CLASSES
    assert found.modalities == {"audio": "audio", "image": "image"}
    assert len(found.clips) == 40
    speakers = {split: set() for split in ("train", "validation", "test")}
    seen = set()
    for clip in found.clips:
        digit, speaker, _ = clip.media_id.split("_")
        assert clip.labels == (int(digit),)
        speakers[clip.split].add(speaker)
        picture = np.asarray(Image.open(source / clip.files["image"]))
        assert picture.shape == (SIDE, SIDE)
        assert picture[0, 0] == int(digit)
        seen.add(picture.tobytes())
        recorded = source / "fsdd" / "recordings" / f"{clip.media_id}.wav"
        made, said = (_waveform(path) for path in (source / clip.files["audio"], recorded))
        np.testing.assert_array_equal(made, said)
    assert len(seen) == 40
    assert speakers["test"] == {"lucas", "theo"}
    assert sorted(map(len, speakers.values())) == [1, 1, 2]
    assert not set.intersection(*speakers.values())


def _waveform(path):
    return files.decoding.decode(
        {"audio": files.Source("audio", path)}, files.media.Settings(audio_rate=8_000)
    ).values["audio"].waveform  # fmt: skip


def test_clips_are_a_function_of_the_seed_and_made_once(source, published, tmp_path):
    dataset = AVDigits()
    dataset.prepare(source, 3, 2, False)
    whole = contents(source)
    other = shutil.copytree(published, tmp_path / "other")
    for path in (other / "fsdd" / "recordings").iterdir():  # a clip depends on the names alone
        path.touch()
    dataset.prepare(other, 3, 1, False)
    assert contents(other) == whole
    (source / av_digits.CLIPS / "7_theo_0.wav").unlink()
    dataset.prepare(source, 3, 1, False)
    assert contents(source) == whole
    shutil.rmtree(other / av_digits.CLIPS)
    dataset.prepare(other, 4, 2, False)
    differing = {name for name, content in contents(other).items() if content != whole[name]}
    assert len(differing) > 60
    with pytest.raises(SourceError, match=r"clips of another recipe: .*seed \(4 there, 5 now\)"):
        dataset.prepare(other, 5, 1, False)


def test_noise_has_the_ratio_that_is_asked_for(source):
    """What is added is the noise of the clip's fold, scaled: the ratio of powers is the ratio."""
    AVDigits(variance=1.0, min_snr=3.0, max_snr=3.0).prepare(source, 0, 2, False)
    noises = {
        split: _waveform(source / "ESC-50" / "audio" / f"{name}.wav").astype(float)
        for split, name in (("train", "1-1-A-0"), ("test", "5-1-A-0"))
    }
    for name, split in (("3_george_0", "train"), ("3_theo_0", "test")):
        said = _waveform(source / "fsdd" / "recordings" / f"{name}.wav").astype(float)
        added = _waveform(source / av_digits.CLIPS / f"{name}.wav") - said
        ratio = 10 * np.log10(np.mean(said**2) / np.mean(added**2))
        assert ratio == pytest.approx(3, abs=0.05)
        likeness = [_likeness(added, noises[which]) for which in (split, "train", "test")]
        assert likeness[0] == max(likeness) > 0.99
        assert min(likeness) < 0.5


def _likeness(added, noise):
    """The largest correlation of what was added with a stretch of the noise, which goes round."""
    stretches = np.lib.stride_tricks.sliding_window_view(
        np.concatenate([noise, noise[: len(added)]]), len(added)
    )
    norms = np.linalg.norm(stretches, axis=1) * np.linalg.norm(added)
    return (stretches @ added / norms).max()


def test_mixing_without_and_beyond_the_range():
    speech = np.array([100, -100] * 50, np.int16)
    silence = np.zeros(80, np.int16)
    np.testing.assert_array_equal(av_digits_clips.mixed(speech, silence, 0, 0.5), speech)
    padded = np.concatenate([silence, np.ones(10, np.int16), np.zeros(480, np.int16), [5]])
    added = av_digits_clips.mixed(speech, padded.astype(np.int16), 0.0, 0.1).astype(int) - speech
    assert np.mean(added**2) == pytest.approx(10_000, rel=0.1)  # not silence divided by itself
    loud = av_digits_clips.mixed(speech * 300, speech, -10.0, 0.0)
    assert np.abs(loud.astype(int)).max() == 32_767
    np.testing.assert_allclose(loud / 32_767, speech / 100, atol=1e-4)


def test_a_share_of_the_variance_is_kept():
    rng = np.random.default_rng(1)
    scales = rng.uniform(1, 40, (1, 5, 5))
    pictures = np.clip(128 + scales * rng.standard_normal((300, 5, 5)), 0, 255).astype(np.uint8)
    pca = PCA(n_components=0.25, svd_solver="full").fit(pictures.reshape(300, -1))
    assert 1 < pca.n_components_ < 12
    wanted = pca.inverse_transform(pca.transform(pictures.reshape(300, -1)))
    project = av_digits_clips.projected(pictures, 0.25)
    found = np.stack([project(picture) for picture in pictures]).reshape(300, -1)
    np.testing.assert_allclose(found, wanted.clip(0, 255), atol=0.51)


def test_records_and_what_cannot_be_decoded(source, tmp_path):
    (source / "fsdd" / "recordings" / "4_george_0.wav").write_bytes(b"RIFF, and no more")
    (source / "fsdd" / "recordings" / "readme.wav").touch()
    output = tmp_path / "out"
    options = BuildOptions(
        dataset=AVDigits(), source=str(source), output=str(output), workers=2, max_failures=0.9
    )
    info = builder.build(options, progress=False)
    assert info.splits["test"].clips == 20
    assert sum(s.clips for s in info.splits.values()) == 39
    assert {clip: reason for clip, (reason, _) in failures(output).items()} == {
        "4_george_0": "undecodable", "fsdd/recordings/readme.wav": "bad line",
    }  # fmt: skip
    assert "noise of fold 5 only in test clips" in info.notes
    assert isinstance(info.modalities["audio"], StoredAudio)
    assert isinstance(info.modalities["image"], StoredImage)
    (file,) = info.splits["test"].shards
    for record in schema.records([output / file]):
        assert set(schema.read(record, info.modalities)) >= {"audio", "image"}


def lose(*names):
    def done(source):
        for name in names:
            for path in list(source.rglob(name)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return done


def cut(name):
    def done(source):
        (path,) = source.rglob(name)
        path.write_bytes(path.read_bytes()[:-20])

    return done


def few_pictures(source):
    for name, values in ((IMAGES, np.zeros((20, 2, 2))), (LABELS, np.arange(20) % 10)):
        lose(f"{name}*")(source)
        write_idx(source / name, values)


@pytest.mark.parametrize(
    ("change", "dataset", "message"),
    [
        (lose("fsdd"), AVDigits(), "holds no recordings of the Free Spoken Digit Dataset, e.g."),
        (lose("MNIST"), AVDigits(), f"holds no {IMAGES} or {IMAGES}.gz: get MNIST's test files"),
        (lose(LABELS), AVDigits(), f"holds no {LABELS}"),
        (lose("ESC-50"), AVDigits(), "no meta/esc50.csv.*clone ESC-50.*or give --noise=none"),
        (lose("audio"), AVDigits(), r"no audio/\*.wav of esc10, folds but 5"),
        (lose("5-1-A-0.wav"), AVDigits(), r"no audio/\*.wav of esc10, fold 5"),
        (cut(f"{IMAGES}.gz"), AS_IT_IS, f"{IMAGES}.gz cannot be read: "),
        (cut(LABELS), AS_IT_IS, f"{LABELS} is cut off or damaged: 40 values .* tells of 60"),
        (few_pictures, AS_IT_IS, "there are 2 pictures of the digit 0, and 4 recordings of it"),
        (lose(), AVDigits(test_speakers=("anna",)), "--test_speakers=anna: name some of"),
        (lose(), AVDigits(test_speakers=SPEAKERS), "and not all: george, jackson, lucas, theo"),
    ],
)
def test_what_is_missing_is_said(source, change, dataset, message):
    change(source)
    with pytest.raises(SourceError, match=message):
        dataset.prepare(source, 0, 1, False)
    assert not (source / av_digits.CLIPS / "recipe.json").exists()  # the next try may be another


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": "rain"}, "--noise=rain is not one of esc10, esc50, none"),
        ({"variance": 0.0}, "--variance=0.0 is not above 0"),
        ({"min_snr": 6.0}, "--min_snr=6.0 is above --max_snr=5.0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(SourceError, match=message):
        AVDigits(**options)


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\0", b"\x1f\x8b\x08junk"]
)
def test_what_is_no_idx_file_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(SourceError, match=r"file (is not an IDX file|cannot be read)"):
        idx.read(tmp_path / "file")
