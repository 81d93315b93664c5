import csv
import dataclasses
import shutil

import numpy as np
import pytest

from tests.tfrecords import files
from tfrecords.datasets import patterns, synthetic
from tfrecords.datasets.listing import SourceError


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.glob("**/*") if path.is_file()}


def test_the_files_have_vggsounds_layout_and_list(rendered, recipe):
    with (rendered / "vggsound.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[3] for row in rows] == ["train"] * 16 + ["test"] * 6
    for youtube_id, start, label, _ in rows:
        assert len(youtube_id) == 11
        assert label in patterns.CLASSES
        clip = files.decode(rendered / "video" / f"{youtube_id}_{int(start):06d}.mp4")
        assert 16_000 <= len(clip.waveform) <= 32_000
        assert len(clip.waveform) / 16_000 == clip.duration
        assert (clip.height, clip.width) == (64, 64)
        assert len(clip.frames) == np.ceil(clip.duration * 4)
        assert np.abs(clip.waveform.astype(int)).max() > 3_000
    assert {row[2] for row in rows} == set(patterns.CLASSES)


def test_ids_are_unique_and_some_begin_with_a_dash():
    entries = synthetic.entries(synthetic.Recipe())
    assert len({entry.youtube_id for entry in entries}) == len(entries) == 8_000
    assert 50 < sum(entry.youtube_id.startswith("-") for entry in entries) < 250
    assert any("," in name for name in patterns.CLASSES)
    assert tuple(patterns.CLASSES) == tuple(sorted(patterns.CLASSES))


def test_a_clip_depends_on_seed_split_and_number_alone(recipe):
    recipe = recipe.recipe(seed=0)
    first = synthetic.entries(recipe)[3]
    more = dataclasses.replace(recipe, num_train=40)
    assert synthetic.entries(more)[3] == first
    assert synthetic.clip(more, first) == synthetic.clip(recipe, first)
    other = dataclasses.replace(recipe, seed=1)
    assert synthetic.clip(other, first) != synthetic.clip(recipe, first)


def test_rendering_again_does_nothing_and_an_interrupted_run_goes_on(rendered, recipe, tmp_path):
    whole = contents(rendered)
    directory = shutil.copytree(rendered, tmp_path / "copy")
    lost = sorted((directory / "video").iterdir())[5]
    lost.unlink()
    (directory / "vggsound.csv").unlink()
    times = {path: path.stat().st_mtime_ns for path in (directory / "video").iterdir()}
    recipe.prepare(directory, 0, 1, False)
    assert contents(directory) == whole
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_another_recipe_in_the_same_place_is_refused(rendered):
    with pytest.raises(SourceError) as error:
        synthetic.render(rendered, synthetic.Recipe(seed=5, audio_strength=2), progress=False)
    assert "holds clips of another recipe: num_train (16 there, 6000 now); " in str(error.value)
    assert "seed (0 there, 5 now); audio_strength (1.0 there, 2 now)" in str(error.value)


def test_an_unwritable_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=r"clips cannot be rendered to .*file: .*Not a directory"):
        synthetic.render(tmp_path / "file", progress=False)


def correlation(make, label, strength):
    """How far the clip of a strength is from noise alone, as a share of its power."""
    signal = make(np.random.default_rng(5), label, 1.5, strength).astype(float)
    noise = make(np.random.default_rng(5), label, 1.5, 0.0).astype(float)
    ours, theirs = signal - signal.mean(), noise - noise.mean()
    return 1 - np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] ** 2


@pytest.mark.parametrize("make", [patterns.sound, patterns.pictures])
def test_strength_scales_the_signal_and_zero_leaves_noise(make):
    for label in range(10):
        shares = [correlation(make, label, strength) for strength in (0, 0.25, 1, 4)]
        assert shares[0] == pytest.approx(0, abs=1e-9)
        assert shares[1] < shares[2] < shares[3]


def test_gestures_are_what_they_are_called():
    """A loud enough clip's spectrum moves as its class says."""
    names = list(patterns.CLASSES)

    def slopes(label):
        sound = patterns.sound(np.random.default_rng(label), label, 2.0, 1_000.0)
        windows = np.lib.stride_tricks.sliding_window_view(sound, 512)[::160] * np.hanning(512)
        course = np.argmax(np.abs(np.fft.rfft(windows)), axis=1)
        return np.diff(course)

    rising = slopes(names.index("slide whistle, rising"))
    falling = slopes(names.index("bird calling, falling"))
    steady = slopes(names.index("smoke alarm beeping"))
    assert (rising > 0).sum() > 3 * (rising < 0).sum()
    assert (falling < 0).sum() > 3 * (falling > 0).sum()
    assert (steady == 0).mean() > 0.5  # it beeps half of the time
