"""Any modalities of any number, two of one kind among them, through all commands.

Two sets of a user's own: pictures, words and sequences of numbers; two videos and a sound that half
of the clips lack.
"""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from tests.tfrecords import files
from tests.trainers.conftest import command
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import find

CLASSES = ("ant", "bee", "cow")
WORDS = {"ant": "small black", "bee": "yellow flying", "cow": "large brown"}
TINY = ("--epochs=2", "--batch_size=8", "--encoder_width=4", "--deterministic", "--frame_size=16")


def listed(directory, columns, row):
    """Builds 36 clips, 18 of them to train on, whose cells `row` writes."""
    lines = [["id", "label", "split", *columns]]
    for k in range(36):
        split = ("train", "train", "validation", "test")[k % 4]
        lines.append([f"clip{k:02d}", CLASSES[k % 3], split, *row(directory, k, CLASSES[k % 3])])
    with (directory / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    output = directory / "records"
    options = BuildOptions(
        find("manifest")(), str(directory), str(output), workers=1, clips_per_shard=9, fps=4.0
    )
    builder.build(options, progress=False)
    return output


def picture_words_steps(directory, k, label):
    rng = np.random.default_rng(k)
    colour = 60 * (1 + CLASSES.index(label))
    pixels = np.clip(rng.normal(colour, 20, (20, 24, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(directory / f"{k}.png")
    np.save(directory / f"{k}.npy", rng.normal(CLASSES.index(label), 1, (2 + k % 5, 3)))
    words = f"A {WORDS[label]} animal, number {k}."
    return [f"{k}.png", words, f"{k}.npy"]


def two_films_and_sound(directory, k, label):
    frames = files.gray_frames(6, 24, 32)
    shifted = np.roll(frames, 4 * CLASSES.index(label), axis=2) + 20 * CLASSES.index(label)
    files.write(directory / f"{k}.mp4", shifted, fps=8)
    files.write(directory / f"{k}-flow.mp4", 255 - shifted, fps=8)
    if k % 8 < 4:
        return [f"{k}.mp4", f"{k}-flow.mp4", ""]
    files.write(directory / f"{k}.wav", sound=files.tone(300 + 300 * CLASSES.index(label), 0.5))
    return [f"{k}.mp4", f"{k}-flow.mp4", f"{k}.wav"]


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    directory = tmp_path_factory.mktemp("words")
    return listed(directory, ("image", "text", "steps:features"), picture_words_steps)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    directory = tmp_path_factory.mktemp("films")
    return listed(directory, ("rgb:video", "flow:video", "audio"), two_films_and_sound)


@pytest.fixture(scope="module")
def words_run(words, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "words"
    done = command(
        "fit", *TINY, f"--data_dir={words}", f"--model_dir={run}", "--features_encoder=gru(width=4)"
    )
    return run, done


@pytest.fixture(scope="module")
def films_run(films, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "films"
    done = command(
        "fit",
        *TINY,
        f"--data_dir={films}",
        f"--model_dir={run}",
        "--modalities=audio,rgb(frames=4),flow(frames=2,size=8)",
        "--encoders=rgb=c3d(width=2)",
        "--spec_augment_time=5",
        "--amr_ratio=audio=1,rgb=1,flow=2",
    )
    return run, done


def about(run):
    return json.loads((run / "config.json").read_text())


def test_pictures_words_and_steps_are_trained_on(words, words_run):
    run, done = words_run
    assert "image/text/steps" in done.stdout
    inputs = about(run)["inputs"]
    assert [inputs[name]["kind"] for name in inputs] == ["image", "text", "features"]
    assert inputs["image"]["size"] == 16
    assert inputs["text"]["length"] == 6  # the longest text has so many words
    assert "animal" in inputs["text"]["vocabulary"]
    assert inputs["steps"]["dimensions"] == [6, 3]
    assert inputs["steps"]["sequence"] is True
    shares = json.loads((run / "results.json").read_text())["dominance"]
    assert list(shares) == ["image", "text", "steps"]
    assert sum(shares.values()) == pytest.approx(1)


def test_two_films_are_two_modalities_and_sound_may_be_missing(films_run):
    run, done = films_run
    assert "audio/rgb/flow" in done.stdout
    inputs = about(run)["inputs"]
    assert [inputs[n]["kind"] for n in ("audio", "rgb", "flow")] == ["audio", "video", "video"]
    assert (inputs["rgb"]["frames"], inputs["rgb"]["size"]) == (4, 16)
    assert (inputs["flow"]["frames"], inputs["flow"]["size"]) == (2, 8)
    shares = json.loads((run / "results.json").read_text())["dominance"]
    assert sum(shares.values()) == pytest.approx(1)


def test_the_full_report_corrupts_what_each_modality_declares(words_run):
    run, _ = words_run
    command("evaluate", f"--model_dir={run}", "--suite=full", eager=True)
    report = json.loads((run / "evaluation" / "test" / "report.json").read_text())
    text = json.dumps(report)
    for name in ("image / blur", "text / word drops", "steps / noise", "steps / lost features"):
        assert name in text
    page = (run / "evaluation" / "test" / "report.html").read_text()
    assert "keeps" in page
    assert "no word" in page  # what an empty text is called


def test_the_report_of_two_films(films_run):
    run, _ = films_run
    command("evaluate", f"--model_dir={run}", "--suite=full", eager=True)
    text = (run / "evaluation" / "test" / "report.json").read_text()
    assert "rgb / frame drops" in text
    assert "flow / frame drops" in text
    assert "audio / babble" in text or "audio / white noise" in text


def clip(data, name):
    """A clip of the test split as a command takes it, each modality a file of its own."""
    with (data.parent / "clips.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["id"] == name]
    cells = {c.partition(":")[0]: v for c, v in rows[0].items()}
    named = {c: v for c, v in cells.items() if c not in ("id", "label", "split") and v}
    return ",".join(
        f"{c}={v}" if c == "text" else f"{c}={data.parent / v}" for c, v in named.items()
    )


@pytest.mark.parametrize("name", ["words", "films"])
def test_predictions_of_run_and_export_agree(name, request):
    data, (run, _) = request.getfixturevalue(name), request.getfixturevalue(f"{name}_run")
    clips = [clip(data, f"clip{k:02d}") for k in (3, 7, 11)]
    of_run = command("predict", f"--model_dir={run}", "--format=json", *clips)
    command("export", f"--model_dir={run}", f"--export_dir={run}/again")
    of_export = command("predict", f"--export_dir={run}/again", "--format=json", *clips)
    rows, others = json.loads(of_run.stdout), json.loads(of_export.stdout)
    assert len(rows) == 3
    for row, other in zip(rows, others, strict=True):
        assert row["label"] == other["label"]
        assert row["probability"] == pytest.approx(other["probability"], abs=1e-5)
        assert sum(row["shares"].values()) == pytest.approx(1, abs=1e-5)
    if name == "films":
        assert rows[0]["missing"] == ["audio"]
        assert rows[0]["shares"]["audio"] == 0
        assert rows[1]["missing"] == []


@pytest.mark.parametrize(
    ("name", "panels"),
    [("words", ("image", "text", "steps")), ("films", ("audio", "rgb", "flow"))],
)
def test_an_explanation_has_a_panel_for_each_modality(name, panels, request, tmp_path):
    data, (run, _) = request.getfixturevalue(name), request.getfixturevalue(f"{name}_run")
    where = (f"--model_dir={run}", f"--output_dir={tmp_path}")
    command("explain", *where, clip(data, "clip07"), eager=True)
    (page,) = tmp_path.rglob("explanation.html")
    for panel in panels:
        assert (page.parent / f"{panel}.png").stat().st_size > 1000
    assert "Grad⊙Input" in page.read_text()


def test_a_comparison_has_a_row_for_each_modality_alone(words, tmp_path):
    command(
        "compare", *TINY, "--epochs=1", f"--data_dir={words}", f"--output_dir={tmp_path}",
        "--methods=naive,image", "--seeds=1", eager=True,
    )  # fmt: skip
    table = (tmp_path / "table.md").read_text()
    for row in ("naive", "image"):
        assert f"| {row} " in table
    assert "image/text/steps" in table


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--modalities=image(frames=3)",), "--modalities: image has no option 'frames': it has"),
        (("--modalities=image:video",), "holds image as image"),
        (("--modalities=text(length=many)",), "--modalities: text(length=many)"),
        (("--encoders=smell=small",), "--encoders=smell=small: there is no smell"),
        (("--encoders=image",), "'image' is not of the form name=value"),
        (("--encoders=image=gru",), "--encoders=image=gru: choose one of small, resnet18"),
        (("--image_encoder=nowhere:build",), "the module 'nowhere' cannot be imported"),
        (("--text_encoder=small",), "--text_encoder=small: choose one of text_cnn"),
        (("--text_length=-1",), "--text_length=-1 must not be negative"),
    ],
)
def test_what_a_modality_cannot_be_is_said_before_the_run(words, tmp_path, flags, message):
    done = command("fit", *flags, f"--data_dir={words}", f"--model_dir={tmp_path}/run", check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
