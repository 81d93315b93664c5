"""Several labels a clip, and numbers: a manifest -> records -> fit -> all other commands."""

import csv
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from tests.trainers.conftest import command
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import find
from tfrecords.description import DatasetInfo

TASKS = ("multilabel", "regression")
LABELS = ("ant", "bee", "cow")
SPLITS = ("train", "train", "validation", "test")
TINY = (
    "--epochs=8", "--batch_size=8", "--deterministic", "--learning_rate=0.05",
    "--features_encoder=mlp(width=8)",
)  # fmt: skip


def clip(directory, k, task):
    """Two files of numbers, and the label as a manifest has it."""
    rng = np.random.default_rng(k)
    told = rng.random(3) < 0.5
    left, right = rng.normal(size=4), rng.normal(size=5)
    left[:2] += 3 * told[:2]
    right[0] += 3 * told[2]
    for name, values in (("left", left), ("right", right)):
        np.save(directory / f"{name}{k}.npy", values.astype(np.float32))
    if task == "multilabel":
        return "|".join(np.array(LABELS)[told])  # of some clips empty
    return f"{100 + 10 * left[0] + 10 * right[0]:.3f}|{left[1]:.3f}"


def built(directory, task):
    lines = [["id", "label", "split", "left:features", "right:features"]]
    for k in range(48):
        label = clip(directory, k, task)
        lines.append([f"clip{k:02d}", label, SPLITS[k % 4], f"left{k}.npy", f"right{k}.npy"])
    with (directory / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    dataset = find("manifest")(task=task)
    options = BuildOptions(dataset, str(directory), str(directory / "records"), workers=1)
    builder.build(options, progress=False)
    return lines[1:]


@pytest.fixture(scope="module", params=TASKS)
def run(request, once, tmp_path_factory):
    """Task, directory of clips, rows of the manifest, directory of the run, and what it printed."""
    task = request.param

    def make(directory):
        directory.mkdir()
        rows = built(directory, task)
        data = f"--data_dir={directory / 'records'}"
        done = command("fit", *TINY, data, f"--model_dir={directory / 'run'}")
        return rows, done.stdout

    clips, (rows, printed) = once(f"tasks-{task}", make)
    own = shutil.copytree(clips / "run", tmp_path_factory.mktemp("runs") / "run")
    return task, clips, rows, own, printed


def results(directory):
    return json.loads((directory / "results.json").read_text())


def inputs_of(clips, split="test"):
    """The clips of a split as raw inputs, in the order of their numbers."""
    numbers = [k for k in range(48) if SPLITS[k % 4] == split]
    return {
        name: np.stack([np.load(clips / f"{name}{k}.npy") for k in numbers])
        for name in ("left", "right")
    }


def labels_of(rows, task, split="test"):
    texts = [row[1].split("|") for row in rows if row[2] == split]
    if task == "regression":
        return np.array(texts, float)
    return np.array([[name in text for name in LABELS] for text in texts], float)


def test_records_say_what_their_labels_are(run):
    task, clips, rows, _, _ = run
    info = DatasetInfo.load(clips / "records")
    assert info.task == task
    wanted = labels_of(rows, task, "train")
    if task == "multilabel":
        assert info.classes == LABELS
        assert info.splits["train"].class_counts == tuple(wanted.sum(axis=0))
        assert any(not row[1] for row in rows)  # a clip without any label is a clip
    else:
        assert info.classes == ("value_1", "value_2")
        np.testing.assert_allclose(info.mean, wanted.mean(axis=0))
        np.testing.assert_allclose(info.scale, wanted.std(axis=0))


def test_a_run_learns_and_reports_the_task_s_metrics(run):
    task, clips, rows, directory, printed = run
    found, main = results(directory), amr_tf.tasks.find_task(task).metrics[0].name
    assert found["task"] == task
    assert main in printed
    assert "accuracy" not in printed
    model = amr_tf.load_model(directory / "model.keras")
    again = model.task.measured(labels_of(rows, task), model.attribute(inputs_of(clips))[0].numpy())
    for name in ("loss", *(metric.name for metric in model.task.metrics)):
        assert found[name] == pytest.approx(again[name], rel=1e-4), name
    assert found[main] > 0.4  # of 12 clips, after 24 steps
    if task == "multilabel":  # chosen on validation, and saved
        outputs = model.attribute(inputs_of(clips, "validation"))[0].numpy()
        tuned = model.task.tuned(labels_of(rows, task, "validation"), outputs.astype(float))
        np.testing.assert_allclose(model.task.thresholds, tuned.thresholds, rtol=1e-4)
    with (directory / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert float(history[-1]["loss"]) < 0.8 * float(history[0]["loss"])
    column, sign = (f"val_{model.task.selects}", 1 if model.task.larger_is_better else -1)
    best = max(range(8), key=lambda k: (sign * float(history[k][column]), -k))
    assert found["selected_epoch"] == best + 1
    card = (directory / "MODEL_CARD.md").read_text()
    assert f"| {main}" in card
    assert "accuracy" not in card


def test_a_run_is_evaluated_in_full_and_says_what_is_left_out(run):
    task, _, _, directory, _ = run
    command("evaluate", f"--model_dir={directory}", "--suite=full", eager=True)
    report = json.loads((directory / "evaluation" / "test" / "report.json").read_text())
    sections = report["sections"]
    assert list(sections) == ["missing", "corrupted", "contributions", "left_out"]
    main = amr_tf.tasks.find_task(task).metrics[0].name
    number = sections["missing"]["numbers"][f"all / {main}"]
    assert number["value"] == pytest.approx(results(directory)[main], rel=1e-4)
    assert number["low"] <= number["value"] <= number["high"]
    page = (directory / "evaluation" / "test" / "report.html").read_text()
    assert f"only one class a clip, and the task is {task}" in page
    assert f"of its {main} without" in page
    assert "accuracy" not in page
    done = command("evaluate", f"--model_dir={directory}", "--suite=full", "--votes=x.csv",
                   check=False)  # fmt: skip
    assert done.returncode == 1


def test_a_run_is_evaluated_by_class(run):
    task, _, rows, directory, _ = run
    command("evaluate", f"--model_dir={directory}", eager=True)
    found = results(directory / "evaluation" / "test")
    for name, value in found.items():
        if isinstance(value, float):
            assert value == pytest.approx(results(directory)[name], rel=1e-4), name
    with (directory / "evaluation" / "test" / "per_class.csv").open() as file:
        table = list(csv.DictReader(file))
    if task == "multilabel":
        assert [int(row["clips"]) for row in table] == labels_of(rows, task).sum(axis=0).tolist()
        mean = np.mean([float(row["average_precision"]) for row in table])
        assert mean == pytest.approx(found["mAP"], abs=1e-4)
    else:
        mean = np.mean([float(row["MAE"]) for row in table])
        assert mean == pytest.approx(found["MAE"], abs=1e-3)


def test_predictions_are_those_of_the_model_whatever_serves_it(run):
    task, clips, _, directory, _ = run
    model = amr_tf.load_model(directory / "model.keras")
    numbers = inputs_of(clips)
    wanted = model.task.predictions(model.attribute(numbers)[0]).numpy()
    named = [f"left={clips}/left{k}.npy,right={clips}/right{k}.npy" for k in (3, 7)]
    version = directory / "export" / "1"
    for source in (f"--model_dir={directory}", f"--export_dir={version}"):
        rows = json.loads(command("predict", source, "--format=json", *named, eager=True).stdout)
        for row, p in zip(rows, wanted, strict=False):
            assert sum(row["shares"].values()) == pytest.approx(1, abs=1e-5)
            if task == "regression":
                assert list(row["values"].values()) == pytest.approx(p.tolist(), rel=1e-4)
            else:
                chosen = np.array(LABELS)[model.task.predicted(p)]
                assert {each["label"] for each in row["labels"]} == set(chosen)
                assert row["top"][0]["probability"] == pytest.approx(p.max(), abs=1e-4)
    table = command("predict", f"--model_dir={directory}", "--format=csv", *named, eager=True)
    line = next(csv.DictReader(table.stdout.splitlines()))
    told = [line["labels"]] if task == "multilabel" else [line["value_1"], line["value_2"]]
    if task == "multilabel":
        assert set(told[0].split("|")) - {""} == set(
            np.array(LABELS)[model.task.predicted(wanted[0])]
        )
    else:
        assert list(map(float, told)) == pytest.approx(wanted[0].tolist(), rel=1e-4)
    served = tf.saved_model.load(str(version)).signatures
    found = served["explain"](**{m: tf.constant(x) for m, x in numbers.items()})
    np.testing.assert_allclose(found[model.task.answer], wanted, rtol=1e-4, atol=1e-5)
    if task == "multilabel":
        np.testing.assert_array_equal(found["predicted"], model.task.predicted(wanted))
        names = ["|".join(np.array(LABELS)[row]) for row in model.task.predicted(wanted)]
        assert [text.decode() for text in found["labels"].numpy()] == names
    about = json.loads((version / "assets" / "model.json").read_text())
    assert about["task"]["name"] == task


def test_a_page_explains_a_clip(run):
    task, clips, _, directory, _ = run
    named = f"left={clips}/left3.npy,right={clips}/right3.npy"
    command("explain", f"--model_dir={directory}", named, eager=True)
    page = (directory / "explanations" / "left3" / "explanation.html").read_text()
    assert ("The model says value_1 = " if task == "regression" else "The model says") in page


def test_a_comparison_shows_the_task_s_metrics(run, tmp_path):
    task, clips, _, _, _ = run
    command("compare", *TINY, "--epochs=1", f"--data_dir={clips / 'records'}", "--methods=naive",
            "--seeds=1", f"--output_dir={tmp_path}", eager=True)  # fmt: skip
    table = (tmp_path / "table.md").read_text()
    main, second = amr_tf.tasks.find_task(task).metrics[:2]
    assert f"without AMR: {second.name} | {main.name} | left/right |" in table
    assert f"{main.name} change" in table
    assert "accuracy" not in table
    with (tmp_path / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        weight = row["amr_weight"]
        found = results(tmp_path / "runs" / f"naive-amr{weight}-seed0")
        assert float(row[main.name]) == pytest.approx(main.scale * found[main.name], abs=1e-3)
    assert (tmp_path / "table.png").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--method=ogm",), "--method=ogm: OGM is defined only for multiclass, and the task is"),
        (("--class_weights=balanced",), "--class_weights=balanced is defined only for multiclass"),
        (("--amr_ratio=auto",), "--amr_ratio=auto is defined only for multiclass"),
        (("--amr_target=logit",), "--amr_target=logit is not a target of"),
        (("--method=umt", "--umt_target=predictions"), "compares softmax predictions"),
    ],
)  # fmt: skip
def test_what_is_not_defined_is_refused_before_data_are_read(run, tmp_path, flags, message):
    _, clips, _, _, _ = run
    records = tmp_path / "records"
    records.mkdir()
    shutil.copy(clips / "records" / "dataset.json", records)  # and no record to read
    done = command("fit", *TINY, *flags, f"--data_dir={records}", f"--model_dir={tmp_path / 'run'}",
                   check=False)  # fmt: skip
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_records_of_another_task_are_refused(run, tmp_path):
    task, clips, _, directory, _ = run
    info = json.loads((clips / "records" / "dataset.json").read_text())
    shutil.copytree(clips / "records", tmp_path / "records")
    other = {"task": "multiclass", "mean": [], "scale": []}
    (tmp_path / "records" / "dataset.json").write_text(json.dumps({**info, **other}))
    done = command("evaluate", f"--model_dir={directory}", f"--data_dir={tmp_path / 'records'}",
                   check=False)  # fmt: skip
    assert f"holds records of task multiclass, the model learnt {task}" in done.stderr
