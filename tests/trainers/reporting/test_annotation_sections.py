"""People as reference: what is measured, and from files of data sets to the command's report."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf.analysis.annotations import Marks
from amr_tf.analysis.bootstrap import Bootstrap
from tests.tfrecords import files
from tests.trainers.conftest import command
from tests.trainers.reporting.test_evaluation_report import subject
from tfrecords import build, schema
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import Cremad, VGGSound, cremad
from tfrecords.datasets.base import Votes
from trainers.reporting import annotation_sections

FIT = ("--epochs=2", "--batch_size=8", "--noexport")


@pytest.fixture(scope="module")
def boots():
    return Bootstrap(30, 100)


def test_accuracy_by_what_people_hear_and_see(boots):
    model = subject()
    marks = {
        str(i): Marks(
            labels=(i % 3, (i + 1) % 3),
            audible=(bool(i % 2), True),
            visible=(True, False),
            background_music=i < 5,
        )
        for i in range(20)
    }
    (section,) = annotation_sections.annotation_sections(model, boots, marks, None)
    assert section.key == "annotations"
    assert "20 of 30 clips are annotated." in section.notes
    predicted = model.head(list(model.test.values.values())).numpy().argmax(1)
    correct = predicted == model.test.labels
    music = section.numbers["background music (5 clips) / accuracy"]
    assert music.value == pytest.approx(correct[:5].mean())
    both = section.numbers["audible and visible (10 clips) / accuracy"]
    assert both.value == pytest.approx(correct[1:20:2].mean())
    assert np.isnan(section.numbers["static image (0 clips) / accuracy"].value)
    confirmed = [k in (i % 3, (i + 1) % 3) for i, k in enumerate(predicted[:20])]
    found = section.numbers["prediction among the confirmed labels"]
    assert found.value == pytest.approx(np.mean(confirmed))
    assert annotation_sections.annotation_sections(model, boots, {}, None) == []


def test_marks_are_read_from_records(tmp_path):
    """A clip without marks is one that nobody annotated."""

    def record(name, **lists):
        context = {schema.MEDIA_ID: tf.train.Feature(bytes_list={"value": [name.encode()]})}
        for key, values in lists.items():
            key = getattr(schema, key)
            context[key] = tf.train.Feature(int64_list={"value": values})
        return tf.train.SequenceExample(context={"feature": context}).SerializeToString()

    path = str(tmp_path / "test.tfrecord")
    marks = {"LABEL_AUDIBLE": [0, 1], "LABEL_VISIBLE": [1, 1], "BACKGROUND_MUSIC": [1]}
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(record("plain", LABEL_INDEX=[4]))
        writer.write(record("known", LABEL_INDEX=[4, 2], STATIC_IMAGE=[0], **marks))
    found = annotation_sections.read_marks([path])
    assert found == {"known": Marks((4, 2), (False, True), (True, True), True, False)}
    assert found["known"].confirms(4)
    assert not found["known"].confirms(0)


def test_votes_of_people(boots, tmp_path):
    path = tmp_path / "summaryTable.csv"
    rows = [f'"{i}","{i}","{"ABC"[i % 3]}","","{"AAC"[i % 3]}","","A:B",""' for i in range(24)]
    columns = "FileName VoiceVote VoiceLevel FaceVote FaceLevel MultiModalVote MultiModalLevel"
    header = ",".join(f'"{name}"' for name in ["", *columns.split()])
    path.write_text("\n".join([header, *rows]) + "\n")
    votes = Cremad().votes(path)
    model = dataclasses.replace(subject(), classes=("A", "B", "C"))
    (section,) = annotation_sections.annotation_sections(model, boots, {}, votes)
    assert section.notes == ("24 of 30 clips have votes.",)
    assert section.numbers["people, from voice / accuracy"].value == 1
    assert section.numbers["people, from face / accuracy"].value == pytest.approx(2 / 3)
    assert section.numbers["people, from both / accuracy"].value == 0  # ties
    assert any("voice alone (8 clips)" in key for key in section.numbers)
    shares = amr_tf.modality_attributions(model.head, model.encodings).numpy()[:, 0]
    alone = np.array([i < 24 and i % 3 == 1 for i in range(30)])  # a wrong vote from the face
    found = section.numbers["audio / recognised from voice alone (8 clips) / share"]
    assert found.value == pytest.approx(shares[alone].mean(), rel=1e-5)
    assert all(measurement.modality == "audio" for measurement in section.bars)
    ((gap, _),) = section.sentences
    assert (gap.unit, gap.condition) == ("points", "voice alone minus face alone")
    with pytest.raises(ValueError, match="none of the clips"):
        annotation_sections.votes_section(
            model, boots, Votes(lambda *_: (np.zeros(30, bool), {}), {})
        )
    video = subject(modalities=("video",))
    assert annotation_sections.annotation_sections(video, boots, {}, votes) == []
    path.write_text("a,b\n")
    with pytest.raises(ValueError, match="no column FaceVote, FileName"):
        Cremad().votes(path)
    with pytest.raises(ValueError, match="vggsound has no votes of people"):
        VGGSound().votes(path)


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


@pytest.mark.slow
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


@pytest.mark.slow
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
