"""People as reference, from files laid out as the data sets' are to the report of the command."""

import csv
import json

import numpy as np
import pytest

from tests.tfrecords import files
from tests.trainers.conftest import command
from tfrecords import build
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import cremad

pytestmark = pytest.mark.slow

FIT = ("--epochs=2", "--batch_size=8", "--noexport")


def media(path, k):
    """A second of sound and picture that tell class k."""
    rate = 44_100 if path.suffix == ".flv" else 16_000  # PCM in FLV knows no 16,000 Hz
    frames = None if path.suffix == ".wav" else np.full((8, 48, 64, 3), 20 + 36 * k, np.uint8)
    files.write(path, frames, sound=files.tone(300 + 250 * k, 1, rate), rate=rate)


@pytest.fixture(scope="module")
def crema_d(tmp_path_factory):
    """Six actors, a sentence, six emotions: from the voice people recognise the men, from the
    face the women; what they don't recognise is a tie.
    """
    source = tmp_path_factory.mktemp("CREMA-D")
    actors = [f"10{i:02d}" for i in range(6)]
    names = [f"{actor}_IEO_{emotion}_XX" for actor in actors for emotion in cremad.CLASSES]
    rows = []
    for i, name in enumerate(names):
        actor, _, emotion, _ = name.split("_")
        for folder, suffix in (("VideoFlash", "flv"), ("AudioWAV", "wav")):
            media(source / folder / f"{name}.{suffix}", cremad.CLASSES.index(emotion))
        man = int(actor) % 2 == 0
        right, tie = emotion[0], "A:D"
        rows.append([i, name, right if man else tie, 60, tie if man else right, 60, right, 60])
    header = ["", "FileName", "VoiceVote", "VoiceLevel", "FaceVote", "FaceLevel"]
    header += ["MultiModalVote", "MultiModalLevel"]
    for name, head, content in (
        ("summaryTable.csv", header, rows),
        ("SentenceFilenames.csv", ["Stimulus_Number", "Filename"], list(enumerate(names, 1))),
        (
            "VideoDemographics.csv",
            ["ActorID", "Age", "Sex"],
            [[actor, 30, "Female" if int(actor) % 2 else "Male"] for actor in actors],
        ),
    ):
        with (source / name).open("w", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([head, *content])
    return source


def test_votes_beside_a_model_of_crema_d(crema_d, tmp_path):
    options = BuildOptions("cremad", str(crema_d), str(tmp_path / "records"), workers=1)
    info = build.build(options, progress=False)
    run = tmp_path / "run"
    data = f"--data_dir={options.output}"
    command("fit", "--dataset=cremad", data, f"--model_dir={run}", *FIT)
    votes = crema_d / "summaryTable.csv"
    command("evaluate", f"--model_dir={run}", "--suite=full", f"--votes={votes}")
    output = run / "evaluation/test"
    section = json.loads((output / "report.json").read_text())["sections"]["people"]
    numbers = {key: entry["value"] for key, entry in section["numbers"].items()}
    clips = info.splits["test"].clips
    assert section["notes"][0] == f"{clips} of {clips} clips have votes."
    men = round(clips * numbers["people, from voice / accuracy"])
    assert numbers["people, from face / accuracy"] == pytest.approx(1 - men / clips)
    assert numbers["people, from both / accuracy"] == 1
    groups = [f"voice alone ({men} clips)", f"face alone ({clips - men} clips)"]
    groups += ["either (0 clips)", "neither (0 clips)"]
    assert [f"recognised from {group} / accuracy" in numbers for group in groups] == [True] * 4
    page = (output / "report.html").read_text()
    assert "People as reference" in page
    assert "WARNING" not in page


def test_vggsounder_beside_a_model_of_vggsound(tmp_path):
    """Real names, labels and marks; sound and picture are made up."""
    vggsounder = pytest.importorskip("vggsounder", reason="the extra [vggsounder] is not installed")
    found = vggsounder.VGGSounder(background_music=None)
    known = "---g-f_I2yQ_000001"
    assert known in found
    source, rows = tmp_path / "clips", []
    tests = [known, *(f"unknown{i}_000001" for i in range(3))]
    for i, name in enumerate([*tests, *(f"train{i:06d}_000001" for i in range(24))]):
        media(source / f"{name}.mp4", i % 3)
        label = ("people marching", "airplane", "dog barking")[i % 3]
        rows.append([name[:-7], int(name[-6:]), label, "test" if name in tests else "train"])
    with (source / "vggsound.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    options = BuildOptions(
        "vggsound", str(source), str(tmp_path / "records"), workers=1, vggsounder=True,
        validation_fraction=0.3,
    )  # fmt: skip
    build.build(options, progress=False)
    run = tmp_path / "run"
    data = f"--data_dir={options.output}"
    command("fit", "--dataset=vggsound", data, f"--model_dir={run}", *FIT)
    command("evaluate", f"--model_dir={run}", "--suite=full")
    section = json.loads((run / "evaluation/test/report.json").read_text())["sections"]
    assert section["annotations"]["notes"][0] == "1 of 4 clips are annotated."
    assert "background music (1 clips) / accuracy" in section["annotations"]["numbers"]
