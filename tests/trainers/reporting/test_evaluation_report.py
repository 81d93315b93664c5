"""The full evaluation: sections, comparisons, the report's files; the command as a user runs it."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

import amr_tf
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.contributions import Distribution
from amr_tf.analysis.encodings import Encodings
from amr_tf.analysis.measurement import Measurement
from amr_tf.analysis.subject import Subject
from amr_tf.modalities import AudioConfig, VideoConfig
from tests.trainers.conftest import command
from tfrecords.description import DESCRIPTION, DatasetInfo
from trainers.config.run_config import Config
from trainers.reporting import (
    evaluation_report,
    report_figures,
    report_files,
    report_words,
)
from trainers.reporting.report_section import ReportSection
from trainers.reporting.report_sections import report_sections
from trainers.reporting.run_subject import EvaluatedRun, run_names

CLASSES = ("<script>alert(1)</script>", "a & b", 'c "quoted"')
SECTIONS = [
    "missing", "corrupted", "conflict", "contributions", "distribution", "agreement", "probes",
    "calibration",
]  # fmt: skip

INPUTS = {"audio": AudioConfig(), "video": VideoConfig()}


def subject(seed=0, modalities=("audio", "video"), fusion="concat", clips=30):
    """A random head on encodings that carry the class, the audio's more strongly."""
    rng = np.random.default_rng(5)

    def encodings(n):
        labels = np.arange(n) % 3
        values = {
            m: (rng.normal(size=(n, 4)) + (3 - i) * np.eye(3, 4)[labels]).astype("float32")
            for i, m in enumerate(modalities)
        }
        return Encodings(labels, values, np.ones(n, bool))

    test, train = encodings(clips), encodings(60)
    head = amr_tf.heads.HEADS[fusion]([(4,)] * len(modalities), 3, seed=seed)
    corrupted = {c.of("video"): rng.integers(0, 3, (5, clips)) for c in VideoConfig().corruptions()}
    return Subject(
        head=head,
        classes=CLASSES,
        clip_names=tuple(map(str, range(clips))),
        test=test,
        train=train,
        empty={m: np.ones((1, 4), "float32") for m in modalities},
        corrupted=corrupted if "video" in modalities else {},
        inputs={m: INPUTS[m] for m in modalities if m in INPUTS},
    )


def evaluated(model, boots, name=""):
    """A run whose model is the subject."""
    sections = tuple(report_sections(model, boots))
    return EvaluatedRun(
        name, Config(modalities="audio,video", model_dir=f"runs/<{name}>"), model, sections
    )


@pytest.fixture(scope="module")
def boots():
    return Bootstrap(30, 100)


def test_numbers_of_a_model(boots):
    model = subject()
    sections = {section.key: section for section in report_sections(model, boots)}
    assert list(sections) == SECTIONS
    for section in sections.values():
        assert len(section.numbers) == len(section.measurements)  # their names are unique
        for measurement in section.measurements:
            assert measurement.draws.shape == (101,)
    encodings = [model.test.values[m] for m in ("audio", "video")]
    accuracy = (model.head(encodings).numpy().argmax(1) == model.test.labels).mean()
    missing = {key: found.value for key, found in sections["missing"].numbers.items()}
    assert missing["all / accuracy"] == pytest.approx(accuracy)
    assert sections["calibration"].numbers["accuracy"].value == pytest.approx(accuracy)
    for kind in ("zero encoding", "mean encoding", "empty input"):
        shapley = sum(missing[f"{m} / {kind} / Shapley value"] for m in ("audio", "video"))
        assert shapley == pytest.approx(accuracy - missing[f"nothing ({kind}) / accuracy"])
    silent = [np.zeros_like(encodings[0]), encodings[1]]
    alone = (model.head(silent).numpy().argmax(1) == model.test.labels).mean()
    assert missing["video / alone (zero encoding) / accuracy"] == pytest.approx(alone)
    shares = amr_tf.modality_attributions(model.head, encodings).numpy().mean(0)
    found = sections["contributions"].numbers
    assert found["audio / Grad⊙Input (probability)"].value == pytest.approx(shares[0], rel=1e-5)
    for measure in ("Integrated Gradients", "DeepLIFT", "Shapley value", "behaviour"):
        sums = found[f"audio / {measure}"].draws + found[f"video / {measure}"].draws
        np.testing.assert_allclose(sums, 1, atol=1e-5)
    assert sections["probes"].numbers["audio / accuracy"].value > 0.8
    conflicts = sections["conflict"].numbers
    parts = ("follows audio", "follows the rest", "neither")
    rates = [conflicts[f"audio / exchanged / {part}"].value for part in parts]
    assert sum(rates) == pytest.approx(1)
    # a share of those in which it followed a side, and not of all
    told = [sentence for _, sentence in sections["conflict"].sentences]
    assert told[0] == "follows the sound in {} of the conflicts that it decides"


def test_area_under_the_curve_by_hand(boots):
    model = subject()
    numbers = next(s for s in report_sections(model, boots) if s.key == "corrupted").numbers
    keys = [f"video / blur, severity {s} / accuracy" for s in range(1, 6)]
    curve = [numbers["clean / accuracy"].value, *(numbers[key].value for key in keys)]
    area = (curve[0] / 2 + sum(curve[1:5]) + curve[5] / 2) / 5 / curve[0]
    assert numbers["video / blur / area"].value == pytest.approx(area)


def test_distribution_of_shares_by_hand(boots):
    model = subject()
    section = next(s for s in report_sections(model, boots) if s.key == "distribution")
    shares = amr_tf.modality_attributions(model.head, model.encodings).numpy()[:, 0]
    np.testing.assert_allclose(section.plotted.shares, shares, rtol=1e-5)
    parts = [found.value for found in section.measurements]
    assert parts == pytest.approx(
        [(shares >= 0.9).mean(), (shares <= 0.1).mean(), (abs(shares - 0.5) < 0.4).mean()]
    )
    of_class = section.plotted.class_quantiles(report_figures.RANKS)[:, 1]
    assert of_class == pytest.approx(np.percentile(shares[1::3], [5, 25, 50, 75, 95]), rel=1e-5)


@pytest.mark.parametrize("classes", [3, report_figures.MOST_BOXES + 5])
def test_distribution_is_drawn_for_few_and_many_classes(classes, tmp_path):
    """One class has no clips."""
    labels = np.arange(4 * classes) % (classes - 1)
    plotted = Distribution(labels / classes, labels, ("a",) * classes)
    section = ReportSection("distribution", "", "", (), plotted=plotted)
    assert report_figures.draw(tmp_path / "a.png", {"one": section, "two": section})
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("modalities", "fusion", "keys"),
    [
        (("video",), "concat", ["corrupted", "probes", "calibration"]),
        (("audio", "video", "text"), "concat", SECTIONS),
        (("audio", "video"), "attention", SECTIONS),
    ],
)
def test_other_models(modalities, fusion, keys, boots, tmp_path):
    model = subject(modalities=modalities, fusion=fusion)
    run = evaluated(model, boots)
    assert [section.key for section in run.sections] == keys
    report_files.write(tmp_path, "test", [run])
    notes = " ".join(note for section in run.sections for note in section.model_notes)
    assert ("No DeepLIFT" in notes) == (fusion == "attention")


def test_report_of_two_models(boots, tmp_path):
    """All text is escaped, differences are paired, NaN does not get into the JSON."""
    names = ("with AMR", "<i>other</i>")
    runs = [evaluated(subject(seed), boots, name) for seed, name in enumerate(names, 1)]
    page = report_files.write(tmp_path, "test", runs).read_text()
    for text in ("<script>", "<i>", "runs/<"):
        assert text not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a &amp; b" in page
    assert page.count("data:image/png;base64,") == len(SECTIONS)
    assert "The model with AMR keeps" in page
    found = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    entry = found["sections"]["missing"]["numbers"]["all / accuracy"]
    gap = entry["value"] - entry["against"]["value"]
    assert entry["difference"]["value"] == pytest.approx(gap)
    assert entry["low"] <= entry["value"] <= entry["high"]
    assert list(tmp_path.glob("events.out.tfevents.*"))
    assert (tmp_path / "missing.png").exists()


def test_plain_lines_say_what_is_clear():
    draws = 0.6 + np.array([0, *np.linspace(-0.03, 0.03, 101)])
    first, second = (Measurement("", "", "x", "%", d) for d in (draws, draws - 0.2))
    a = ReportSection("k", "", "", (first,), sentences=((first, "keeps {} of it"),))
    b = dataclasses.replace(a, measurements=(second,))
    one, other = "with AMR", "without AMR"
    assert report_words.plain_lines({"": a}) == ["The model keeps 60 % [57, 63] of it."]
    (line,) = report_words.plain_lines({one: a, other: b})
    assert line == (
        "The model with AMR keeps 60 % [57, 63] of it; without AMR, 40 % [37, 43]. "
        "Difference +20.0 [+20.0, +20.0] points."
    )
    (line,) = report_words.plain_lines({one: a, other: a})
    assert line.endswith("Difference +0.0 [+0.0, +0.0] points: no clear difference.")


def test_numbers_are_shown_in_their_units():
    draws = np.array([0.25, 0.2, 0.3])
    found = [Measurement("", "", unit, unit, draws) for unit in ("%", "points")]
    found.append(Measurement("audio", "", "rank correlation", "", draws))
    found.append(Measurement("audio", "white noise", "accuracy", "%", draws, severity=2))
    sentences = tuple((measurement, "has {}") for measurement in found[:2])
    section = ReportSection("k", "", "", tuple(found), sentences=sentences)
    lines = report_words.plain_lines({"": section})
    assert lines == ["The model has 25 % [20, 30].", "The model has +25 [+20, +30]."]
    shown, folded = report_words.number_tables({"": section})
    assert shown.rows == [
        ["%", "25.0 [20.2, 29.8]"],
        ["points", "25.0 [20.2, 29.8]"],
        ["audio / rank correlation", "0.25 [0.20, 0.30]"],
    ]
    assert folded.rows == [["audio / white noise, severity 2 / accuracy", "25.0 [20.2, 29.8]"]]


def test_notes_of_one_of_two_models_name_it(tmp_path):
    section = ReportSection("k", "", "", (), notes=("of both",), model_notes=("of one",))
    part = report_files.page_section(tmp_path, {"a": section, "b": section})
    assert part.notes == ["of both", "a: of one", "b: of one"]
    assert report_files.page_section(tmp_path, {"": section}).notes == ["of both", "of one"]


def test_names_tell_runs_apart():
    amr, plain = (
        Config(modalities="audio,video", model_dir="r/a"),
        Config(modalities="audio,video", model_dir="r/b", amr_weight=0),
    )
    assert run_names(amr, plain) == ("with AMR", "without AMR")
    ogm = dataclasses.replace(amr, method="ogm")
    assert run_names(amr, ogm) == ("by naive", "by ogm")
    assert run_names(ogm, plain) == ("in a", "in b")
    assert run_names(amr, dataclasses.replace(amr, model_dir="s/a")) == ("in r/a", "in s/a")


def test_models_on_other_clips_are_refused():
    with pytest.raises(ValueError, match="their records differ"):
        evaluation_report.check_same_clips([subject(), subject(clips=29)])


@pytest.fixture(scope="module")
def run_with_odd_names(finished_run, records, tmp_path_factory):
    """The finished run's directory, and its records with HTML in a class's name."""
    copy = shutil.copytree(records, tmp_path_factory.mktemp("odd") / "records")
    info = DatasetInfo.load(copy)
    info = dataclasses.replace(info, classes=("<script>x</script>", *info.classes[1:]))
    (copy / DESCRIPTION).write_text(info.to_json())
    return finished_run[0], copy


def test_command_writes_the_report(run_with_odd_names):
    model_dir, records = run_with_odd_names
    done = command("evaluate", f"--model_dir={model_dir}", f"--data_dir={records}", "--suite=full")
    output = model_dir / "evaluation" / "test"
    assert str(output / "report.html") in done.stdout
    assert "full evaluation: 48 of 48" in done.stderr
    page = (output / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    found = json.loads((output / "report.json").read_text())
    assert list(found["sections"]) == SECTIONS
    assert found["clips"] == 40
    results = json.loads((model_dir / "results.json").read_text())
    numbers = found["sections"]["missing"]["numbers"]
    assert numbers["all / accuracy"]["value"] == pytest.approx(results["accuracy"])
    assert numbers["all / mAP"]["value"] == pytest.approx(results["mAP"])
    shares = found["sections"]["contributions"]["numbers"]
    audio = shares["audio / Grad⊙Input (probability)"]["value"]
    assert audio == pytest.approx(results["dominance"]["audio"], abs=1e-5)
    corrupted = found["sections"]["corrupted"]["numbers"]
    for kind in ("white noise", "clipping", "dropouts", "babble"):
        assert f"audio / {kind} / area" in corrupted
    for kind in ("blur", "JPEG artefacts", "frame drops"):
        assert f"video / {kind}, severity 5 / accuracy" in corrupted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against={run}"], "add --suite=full"),
        (["--suite=full", "--against={run}"], "is the run itself"),
        (["--suite=full", "--votes=nowhere.csv"], "nowhere.csv"),
    ],
)
def test_errors_are_one_line(finished_run, arguments, message):
    arguments = [a.format(run=finished_run[0]) for a in arguments]
    done = command("evaluate", f"--model_dir={finished_run[0]}", *arguments, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
