"""Long files are labelled window by window."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.tfrecords import files
from tests.trainers.conftest import command
from tfrecords.building.settings import Window
from trainers.running import inputs, windows
from trainers.running.finished_run import load_model


@pytest.mark.parametrize(
    ("length", "seconds", "expected"),
    [
        (0, 2, [Window()]),  # of unknown length
        (7, 0, [Window()]),
        (2.4, 2, [Window()]),  # hardly longer
        (2.6, 2, [Window(0, 2), Window(0.6, 2.6)]),
        (6, 2, [Window(0, 2), Window(2, 4), Window(4, 6)]),
        (6.0001, 2, [Window(0, 2), Window(2, 4), Window(4.0001, 6.0001)]),
        (7, 2, [Window(0, 2), Window(2, 4), Window(4, 6), Window(5, 7)]),
    ],
)
def test_windows_cover_a_file(length, seconds, expected):
    found = windows.split(length, seconds)
    assert [w.end for w in found] == pytest.approx([w.end for w in expected])
    assert [w.start for w in found] == pytest.approx([w.start for w in expected])


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """Seven seconds, whose sound and picture change on the way."""
    return files.clip(tmp_path_factory.mktemp("long") / "long.mp4", seconds=7)


def predicted(run, *arguments, eager=True):
    given = (f"--model_dir={run}", "--format=json", *map(str, arguments))
    done = command("predict", *given, eager=eager)
    return json.loads(done.stdout)


def test_the_row_of_a_long_file_is_the_mean_of_its_windows(finished_run, long_clip):
    run = finished_run[0]
    seconds = inputs.load(run).clip_seconds
    assert seconds == 2.0  # of the synthetic clips
    rows = predicted(run, long_clip, "--per_window", "--top=10")
    assert [(row["start"], row["windows"]) for row in rows[:3]] == [(0, 1), (2, 1), (4, 1)]
    assert rows[-1]["end"] == pytest.approx(7, abs=0.1)
    for row in rows:
        np.testing.assert_allclose(probabilities(row), seen(run, long_clip, row), atol=1e-5)
    (mean,) = predicted(run, long_clip, "--top=10")
    assert (mean["windows"], mean["start"]) == (4, 0)
    expected = np.mean([probabilities(row) for row in rows], axis=0)
    np.testing.assert_allclose(probabilities(mean), expected, atol=1e-5)
    shares = np.mean([list(row["shares"].values()) for row in rows], axis=0)
    np.testing.assert_allclose(list(mean["shares"].values()), shares, atol=1e-5)


def probabilities(row):
    found = {top["label"]: top["probability"] for top in row["top"]}
    return [found[label] for label in sorted(found)]


def seen(run, clip, row):
    """The Keras model's answer to one window, by label."""
    given = inputs.load(run)
    window = Window(row["start"], row["end"])
    found = files.decode(clip, settings=given.settings, window=window)
    stored = {
        "audio": {"samples": tf.constant(found.waveform)},
        "video": {
            "frames": tf.constant(found.frames),
            "size": tf.io.extract_jpeg_shape(found.frames[0])[:2],
        },
    }
    raw = {name: modality.cut(stored[name])[None] for name, modality in given.modalities.items()}
    logits = load_model(run, compile=False)({**raw, "presence": tf.ones([1, 2])})
    classes = (run / "classes.txt").read_text().splitlines()
    return tf.nn.softmax(logits)[0].numpy()[np.argsort(classes)]


def test_how_long_windows_are_is_the_users_to_say(finished_run, long_clip):
    run = finished_run[0]
    assert len(predicted(run, long_clip, "--window_seconds=1", "--per_window")) == 7
    (whole,) = predicted(run, long_clip, "--window_seconds=0")
    assert (whole["windows"], whole["start"], whole["end"]) == (1, 0, None)
    done = command(
        "predict", f"--model_dir={run}", "--window_seconds=99", str(long_clip), check=False
    )
    assert done.returncode == 1
    assert "--window_seconds=99: the records were built with --max_seconds=60" in done.stderr


def test_table_and_csv_name_the_times(finished_run, long_clip):
    done = command("predict", f"--model_dir={finished_run[0]}", str(long_clip), eager=True)
    assert "mean of 4 windows" in done.stdout
    done = command(
        "predict", f"--export_dir={finished_run[0]}/export", "--format=csv", "--per_window",
        str(long_clip),
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["start"] for row in rows][:3] == ["0.0", "2.0", "4.0"]


def test_windows_that_cannot_be_read_are_counted(finished_run, long_clip, tmp_path):
    cut = tmp_path / "cut.flv"
    files.clip(cut, seconds=7)
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    done = command(
        "predict", f"--model_dir={finished_run[0]}", "--format=json", str(cut), check=False,
        eager=True,
    )  # fmt: skip
    assert "windows are left out; the one at" in done.stderr
    (row,) = json.loads(done.stdout)
    assert 1 <= row["windows"] < 4


def test_a_run_is_whole_without_its_records_and_from_anywhere(finished_run, long_clip, tmp_path):
    run = shutil.copytree(finished_run[0], tmp_path / "moved")
    content = json.loads((run / "config.json").read_text())
    assert content["flags"]["data_dir"].startswith("/")
    content["flags"]["data_dir"] = "/gone"
    (run / "config.json").write_text(json.dumps(content))
    expected = predicted(finished_run[0], long_clip, eager=False)
    elsewhere = {"cwd": tmp_path}
    done = command("predict", "--model_dir=moved", "--format=json", str(long_clip), **elsewhere)
    assert json.loads(done.stdout) == expected
    command("export", "--model_dir=moved", "--export_dir=out", **elsewhere)
    done = command("predict", "--export_dir=out", "--format=json", str(long_clip), **elsewhere)
    assert json.loads(done.stdout) == expected
    command("explain", "--model_dir=moved", str(long_clip), eager=True, **elsewhere)
    done = command("evaluate", "--model_dir=moved", check=False, **elsewhere)
    assert done.returncode == 1
    assert done.stderr.startswith("error: /gone")
    assert len(done.stderr.splitlines()) == 1
