"""The evaluation of splits and models of which little or nothing can be measured."""

import dataclasses
import json
import re
import shutil
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf.analysis.bootstrap import Bootstrap
from tests.trainers.conftest import command
from tests.trainers.reporting.test_evaluation_report import SECTIONS, evaluated, subject
from tfrecords import schema
from tfrecords.description import DESCRIPTION, DatasetInfo, Split
from trainers.reporting import report_files
from trainers.reporting.report_sections import (
    corrupted_section,
    probe_section,
    report_sections,
)


def first(model, clips=None, training_clips=None):
    """The model on its first clips."""
    there = [np.arange(len(x.labels)) for x in (model.test, model.train)]
    kept = there[0] < (clips or len(there[0]))
    return dataclasses.replace(
        model,
        clip_names=model.clip_names[: kept.sum()],
        test=model.test.where(kept),
        train=model.train.where(there[1] < (training_clips or len(there[1]))),
        corrupted={c: predicted[:, kept] for c, predicted in model.corrupted.items()},
    )


def labelled(model, test=None, train=None):
    """The model on the same clips with other labels."""
    given = {"test": test, "train": train}
    changed = {
        part: dataclasses.replace(getattr(model, part), labels=labels)
        for part, labels in given.items()
        if labels is not None
    }
    return dataclasses.replace(model, **changed)


def always_wrong(model):
    """Every label is the class that the model thinks the least likely."""
    return labelled(model, model.head(model.encodings).numpy().argmin(axis=1))


CASES = {
    "one class": lambda m: labelled(m, test=np.zeros(30, int)),
    "a class without clips": lambda m: labelled(m, test=np.arange(30) % 2),
    "one clip": lambda m: first(m, clips=1),
    "two clips of two classes": lambda m: first(m, clips=2),
    "one clip a class": lambda m: first(m, clips=3),
    "one class in train": lambda m: labelled(m, train=np.zeros(60, int)),
    "one clip in train": lambda m: first(m, training_clips=1),
    "never right": always_wrong,
    "one clip, wrong": lambda m: always_wrong(first(m, clips=1)),
}


def written(tmp_path, *models):
    """The report of one or two models: its text without figures, and its JSON."""
    boots = Bootstrap(len(models[0].test.labels), 50)
    names = ("one", "other") if len(models) > 1 else ("",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a user would see NumPy's
        warnings.filterwarnings("ignore", "Conversion of an array", DeprecationWarning)
        runs = [evaluated(m, boots, name) for m, name in zip(models, names, strict=True)]
        text = report_files.write(tmp_path, "test", runs).read_text()
    found = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    return re.sub('base64,[^"]*', "", text), found["sections"]


@pytest.mark.parametrize("case", CASES)
def test_what_is_undefined_is_a_dash_and_a_note(case, tmp_path):
    model = CASES[case](subject())
    text, found = written(tmp_path, model)
    assert list(found) == SECTIONS
    assert not re.search(r"\b(nan|inf)\b", text, re.IGNORECASE)
    for section in found.values():
        undefined = any(entry["value"] is None for entry in section["numbers"].values())
        assert undefined == (report_files.UNDEFINED in section["notes"])
        assert not any("–" in line for line in section["lines"])


@pytest.mark.parametrize("case", ["one class", "one clip", "never right"])
def test_two_models_are_compared_as_far_as_they_can_be(case, tmp_path):
    model = CASES[case](subject())
    text, _ = written(tmp_path, model, model)
    assert not re.search(r"\b(nan|inf)\b", text, re.IGNORECASE)


@pytest.mark.parametrize("modalities", [("audio", "video"), ("video",)])
def test_a_model_of_one_modality_against_one_of_two(modalities, tmp_path):
    others = {("video",): ("audio", "video"), ("audio", "video"): ("video",)}
    models = subject(modalities=modalities), subject(modalities=others[modalities])
    written(tmp_path, *models)


def test_which_numbers_are_undefined():
    boots = Bootstrap(30, 50)
    one = {s.key: s for s in report_sections(CASES["one class"](subject()), boots)}
    assert all(np.isnan(found.draws).all() for found in one["conflict"].measurements)
    assert one["conflict"].notes == ("All clips are of one class: there are no conflicts.",)
    assert np.isnan(one["contributions"].numbers["audio / behaviour"].draws).all()
    assert np.isfinite(one["missing"].numbers["all / accuracy"].draws).all()
    wrong = {s.key: s for s in report_sections(always_wrong(subject()), boots)}
    assert (wrong["missing"].numbers["all / accuracy"].draws == 0).all()
    kept = wrong["missing"].numbers["audio / missing (zero encoding) / accuracy kept"]
    assert np.isnan(kept.draws).all()
    assert np.isnan(wrong["corrupted"].numbers["video / mean area"].draws).all()
    probes = probe_section(CASES["one class in train"](subject()), boots)
    assert probes.notes == ("The clips of train are of one class: there is nothing to fit.",)
    assert all(np.isnan(found.draws).all() for found in probes.measurements)


def test_babble_that_cannot_be_mixed_is_noted():
    notes = corrupted_section(subject(), Bootstrap(30, 50)).model_notes
    assert "No babble: it is mixed of other clips, and there are too few." in notes
    notes = corrupted_section(subject(modalities=("video",)), Bootstrap(30, 50)).model_notes
    assert not any("babble" in note for note in notes)


def changed(records, target, kept=None, further=()):
    """A copy of a record set with some of its records: kept = {split: function of the index}.

    Classes may be added of which there is no clip.
    """
    shutil.copytree(records, target, ignore=shutil.ignore_patterns("clips"))
    info = DatasetInfo.load(target)
    splits = dict(info.splits)
    for split, wanted in (kept or {}).items():
        paths = [str(target / name) for name in splits[split].shards]
        found = list(tf.data.TFRecordDataset(paths).as_numpy_iterator())
        found = [r for i, r in enumerate(map(wanted, range(len(found)), found)) if r is not None]
        shards = ("changed-" + split,) if found else ()
        for name in shards:
            with tf.io.TFRecordWriter(str(target / name)) as writer:
                for record in found:
                    writer.write(record)
        counts = tuple(len(found) if c == 0 else 0 for c in range(len(info.classes)))
        splits[split] = Split(len(found), 0, shards, counts)
    options = {**info.options, "require": "video"}  # so that a clip may lack its sound
    for name, split in splits.items():
        counts = (*split.class_counts, *(0 for _ in further))
        splits[name] = dataclasses.replace(split, class_counts=counts)
    classes = (*info.classes, *further)
    info = dataclasses.replace(info, splits=splits, classes=classes, options=options)
    (target / DESCRIPTION).write_text(info.to_json())
    return target


def of_class_zero(index, record):
    example = tf.train.SequenceExample.FromString(record)
    example.context.feature[schema.LABEL_INDEX].int64_list.value[0] = 0
    return example.SerializeToString()


def silent(index, record):
    example = tf.train.SequenceExample.FromString(record)
    del example.context.feature[schema.AUDIO]
    return example.SerializeToString()


@pytest.mark.slow
def test_command_on_one_clip_and_one_class(finished_run, records, tmp_path):
    run = shutil.copytree(finished_run[0], tmp_path / "run")
    data = changed(
        records,
        tmp_path / "records",
        {
            "train": of_class_zero,
            "test": lambda i, record: of_class_zero(i, record) if i == 0 else None,
        },
    )
    done = command("evaluate", f"--model_dir={run}", f"--data_dir={data}", "--suite=full")
    assert "warning" not in done.stderr.lower()
    found = json.loads((run / "evaluation/test/report.json").read_text())
    assert found["clips"] == 1
    conflicts = found["sections"]["conflict"]["numbers"]
    assert conflicts["audio / behavioural dominance"]["value"] is None
    assert found["sections"]["missing"]["numbers"]["all / accuracy"]["value"] in (0, 1)


@pytest.mark.parametrize(
    ("kept", "further", "message"),
    [
        ({"test": silent}, (), "no clip of test or of train has all of audio, video"),
        ({"train": lambda i, record: None}, (), "the split 'train' of .* has no clips"),
        ({}, ("a", "b"), "holds records of 12 classes, the model knows 10"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    finished_run, records, tmp_path, kept, further, message
):
    run = shutil.copytree(finished_run[0], tmp_path / "run")
    data = changed(records, tmp_path / "records", kept, further)
    flags = (f"--model_dir={run}", f"--data_dir={data}", "--suite=full")
    done = command("evaluate", *flags, check=False, eager=True)
    assert done.returncode == 1
    assert re.search(message, done.stderr)
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_the_basic_table_of_clips_without_sound(finished_run, records, tmp_path):
    """There is no dominance, hence no plot of it; the JSON says null."""
    run = shutil.copytree(finished_run[0], tmp_path / "run")
    data = changed(records, tmp_path / "records", {"test": silent})
    done = command("evaluate", f"--model_dir={run}", f"--data_dir={data}", eager=True)
    assert "warning" not in done.stderr.lower()
    path = run / "evaluation/test/results.json"
    results = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert results["dominance"] == {"audio": None, "video": None}
    assert not (run / "evaluation/test/shares.png").exists()
    assert results["samples"] == 40


def test_a_model_that_diverged_is_one_line(finished_run, records, tmp_path):
    run = shutil.copytree(finished_run[0], tmp_path / "run")
    model = keras.models.load_model(run / "model.keras")
    model.audio_encoder.set_weights([w * np.nan for w in model.audio_encoder.get_weights()])
    model.save(run / "model.keras")
    done = command("evaluate", f"--model_dir={run}", "--suite=full", check=False, eager=True)
    assert done.returncode == 1
    assert "error: the encodings of audio of 40 of 40 clips are not finite" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_training_that_diverges_is_one_line(flags_of_run, tmp_path):
    flags = (*flags_of_run, "--learning_rate=1e20", f"--model_dir={tmp_path}")
    done = command("fit", *flags, check=False)
    assert done.returncode == 1
    assert "Try a lower --learning_rate" in done.stderr
    assert "Traceback" not in done.stderr
