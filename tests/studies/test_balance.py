"""The study: its plan, that it resumes, its statistics and the variants that only it needs."""

import dataclasses
import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from studies import page, runs, statistics
from studies.balance import (
    estimates,
    model_measurements,
    study_figures,
    study_page,
    study_plan,
    study_tables,
    train,
)
from studies.balance.study_plan import StudyRun
from studies.balance.variants import EncodersToo, PerSampleRegularizer
from tests.amr_tf.models import classifier, data


def test_every_wanted_run_is_planned_once_and_teachers_first():
    planned = study_plan.everything()
    assert len(set(planned)) == len({run.name for run in planned}) == len(planned)
    wanted = itertools.product(
        ("even", "moderate", "large"),
        ("naive", "dropout", "modality_dropout", "umt", "ogm"),
        ("", "probability"),
        range(5),
    )
    assert {StudyRun(*key) for key in wanted} <= set(planned)
    assert {
        StudyRun(level, "naive", "logit", s) for level in study_plan.LEVELS for s in range(5)
    } <= set(planned)
    last_teacher = max(i for i, run in enumerate(planned) if run.method in study_plan.MODALITIES)
    assert last_teacher < min(i for i, run in enumerate(planned) if run.method == "umt")
    # what shares a traced step follows one another
    graphs = [key for key, _ in itertools.groupby(run.graph for run in study_plan.fused())]
    assert len(graphs) == len(set(graphs))


@pytest.fixture
def work(tmp_path, monkeypatch, rng):
    """Arrays of noise in place of features, tiny, and short runs."""
    shapes = {"audio": (8, 8, 1), "video": (1, 8, 8, 3)}
    monkeypatch.setattr(train.data, "SHAPES", shapes)
    monkeypatch.setattr(train, "EPOCHS", 1)
    monkeypatch.setattr(train, "BATCH", 10)
    train._traced.cache_clear()
    where = tmp_path / "data" / "even"
    where.mkdir(parents=True)
    for split, count in (("train", 40), ("test", 20)):
        np.save(where / f"{split}-label.npy", np.arange(count) % 10)
        for modality, shape in shapes.items():
            x = rng.normal(size=(count, *shape)).astype(np.float16)
            np.save(where / f"{split}-{modality}.npy", x)
            for severity in train.data.MEASURED_SEVERITIES if split == "test" else ():
                np.save(where / f"test-{modality}-corrupted{severity}.npy", x)
    return tmp_path


def test_a_finished_run_is_not_repeated_and_a_half_written_one_is(work, monkeypatch):
    run = StudyRun("even", "audio")
    train.make_run(work, run)
    path = runs.path(work, run)
    first = train.result(work, run)
    assert {"accuracy", "mAP", "ECE", "seconds"} <= first.keys()
    stamp = path.stat().st_mtime_ns
    train.make_run(work, run)
    assert path.stat().st_mtime_ns == stamp
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])  # as no kill -9 leaves it, but a full disk might
    assert train.result(work, run) is None
    train.make_run(work, run)
    again = train.result(work, run)
    assert first.pop("seconds") != again.pop("seconds")
    assert again == first  # the step that was traced before starts from the same weights
    monkeypatch.setitem(train.SETTINGS, "epochs", 99)
    assert train.result(work, run) is None, "other settings: another run"


def test_a_run_measures_everything_and_umt_finds_its_teachers(work):
    for method in ("audio", "video", "umt"):
        train.make_run(work, StudyRun("even", method))
    found = train.result(work, StudyRun("even", "umt"))
    assert found["changed_by_centring"] == 0
    assert all(np.isfinite(list(found.values())))
    for name in ("accuracy", "audio_corrupted5", "without_video", "behaviour", "share_logit"):
        assert 0 <= found[name] <= 1
    for (
        severity
    ) in train.data.MEASURED_SEVERITIES:  # the "corrupted" arrays are the clean ones here
        assert found[f"video_corrupted{severity}"] == found["accuracy"]


def test_only_unfinished_runs_go_to_the_workers_and_failures_are_named(work, monkeypatch):
    done, failing = StudyRun("even", "audio"), StudyRun("even", "audio", seed=3)
    runs.path(work, done).parent.mkdir()
    text = json.dumps({"settings": train.SETTINGS, "measured": {"accuracy": 1.0}})
    runs.path(work, done).write_text(text)
    asked = []

    def workers_run(function, tasks, jobs, timeout):
        for task in tasks:
            asked.extend(task[1])
            yield train_lost

    train_lost = runs.process_pool.Lost("crashed", "why")
    monkeypatch.setattr(runs.process_pool, "run", workers_run)
    failed = runs.make(work, [[done, failing], []], train.result, train.in_worker, 1, 9.0)
    assert asked == [failing]
    assert failed == ["even-audio-plain-seed3: crashed: why"]


def test_a_run_that_fails_does_not_stop_its_neighbours(tmp_path):
    made = []

    def make_run(work, run):
        if run.seed == 1:
            raise ValueError("no luck")
        made.append(run.seed)

    group = [StudyRun("even", seed=seed) for seed in range(3)]
    assert runs.each(make_run, tmp_path, group) == ["even-naive-plain-seed1: ValueError: no luck"]
    assert made == [0, 2]


def test_the_class_common_part_against_numpy(rng):
    e = [rng.normal(size=(30, 4)), rng.normal(size=(30, 6))]
    w = [rng.normal(size=(4, 5)) + 3.0, rng.normal(size=(6, 5))]
    z = e[0] @ w[0] + e[1] @ w[1]
    centred = [model_measurements.centred(x) for x in w]
    shifted = e[0] @ centred[0] + e[1] @ centred[1]
    assert (z.argmax(1) == shifted.argmax(1)).all()
    common = [x.mean(1) for x in w]
    np.testing.assert_allclose(
        z - shifted, np.tile((e[0] @ common[0] + e[1] @ common[1])[:, None], 5)
    )
    expected = 5 * (common[0] ** 2).sum() / (w[0] ** 2).sum()
    np.testing.assert_allclose(model_measurements.common_part(w[0]), expected)
    top = z.argmax(1)
    norms = np.array(
        [[np.linalg.norm(w[m][:, k] * e[m][i]) for m in range(2)] for i, k in enumerate(top)]
    )
    shares = model_measurements.linear_shares(w, e, top)
    np.testing.assert_allclose(shares, norms / norms.sum(1, keepdims=True))
    assert (
        shares[:, 0].mean() > model_measurements.linear_shares(centred, e, top)[:, 0].mean() + 0.05
    )


def test_the_per_sample_penalty_against_numpy(rng):
    shares = rng.dirichlet([2, 1], size=9)
    complete = np.array([1.0] * 7 + [0.0] * 2)
    regularizer = PerSampleRegularizer((3, 1))
    x = tf.Variable(shares)
    with tf.GradientTape() as tape:
        loss, mean_shares, count = regularizer.replica_loss(x, complete)
    expected = np.abs(shares[:7] - [0.75, 0.25]).sum(1).mean()
    np.testing.assert_allclose(loss, expected)
    np.testing.assert_allclose(mean_shares, shares[:7].mean(0))
    assert count == 7
    signs = np.sign(shares - [0.75, 0.25]) * complete[:, None] / 7
    np.testing.assert_allclose(tape.gradient(loss, x), signs)


@pytest.mark.parametrize("scale", [0.0, 0.5])
def test_r_reaches_the_encoders_in_the_all_variables_variant_alone(scale):
    """With and without AMR, from the same weights, one step: R alone makes the difference."""
    x, y = data(16)
    models = []
    for weight in (0.0, 1.0):
        model = classifier(
            EncodersToo(scale), optimizer=keras.optimizers.SGD(0.1), amr_weight=weight
        )
        model.fit(x, y, batch_size=16, epochs=1, verbose=0)
        models.append(model)
    moved = [
        np.abs(a.numpy() - b.numpy()).max()
        for a, b in zip(
            *([v for e in m.encoders.values() for v in e.trainable_variables] for m in models),
            strict=True,
        )
    ]
    assert (max(moved) > 1e-5) == (scale > 0)
    assert scale or max(moved) == 0
    heads = [m.head.trainable_variables[0].numpy() for m in models]
    assert np.abs(heads[0] - heads[1]).max() > 1e-5


def _made_up(rng):
    """Every planned run with made-up numbers; AMR adds 2 points of accuracy at `large`."""
    names = ["accuracy", "mAP", "ECE", "share_probability", "share_logit", "share_centred",
             "shift", "behaviour", "common_audio", "common_video", "changed_by_centring",
             "seconds"]  # fmt: skip
    for m in study_plan.MODALITIES:
        names += [f"without_{m}", f"probe_{m}", f"norm_{m}", f"{m}_corrupted"]
        names += [f"{m}_corrupted{s}" for s in train.data.MEASURED_SEVERITIES]
    found = {run: dict.fromkeys(names, 0.5) for run in study_plan.everything()}
    for run, numbers in found.items():
        numbers["accuracy"] += rng.normal(0, 1e-5) + 0.02 * (run.level == "large" and run.amr != "")
    return estimates.Results(found)


def test_differences_are_paired_and_holm_counts_the_family(rng):
    results = _made_up(rng)
    run = StudyRun("large", "ogm", "probability")
    difference = results.difference(run, run.but(amr=""), "accuracy")
    np.testing.assert_allclose(difference.mean, 2, atol=0.01)
    points = np.array(difference.points)
    expected = stats.t.interval(0.95, 4, points.mean(), stats.sem(points))
    np.testing.assert_allclose([difference.low, difference.high], expected)
    found = estimates.effects(results)
    assert len(found) == 5 * 3 * (5 + 1)
    stands = {key for key, (_, stands) in found.items() if stands}
    assert stands == {("accuracy", "large", row) for row in estimates.ROWS}
    each = [
        results.difference(
            StudyRun("large", m, "probability"), StudyRun("large", m), "accuracy"
        ).points
        for m in study_plan.COMPARED_METHODS
    ]
    pooled = found["accuracy", "large", estimates.POOLED][0]
    np.testing.assert_allclose(pooled.points, np.mean(each, axis=0))
    corrected = statistics.holm([0.01, 0.04, 0.03, 0.005])  # Holm 1979
    np.testing.assert_allclose(corrected, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(statistics.holm([0.2, 0.001], hypotheses=5), [0.8, 0.005])


def test_the_report_is_made_of_what_is_finished(rng, tmp_path, monkeypatch):
    whole = _made_up(rng)
    few = [run for run in study_plan.everything() if run.method == "naive" and run.seed < 2]
    for results in (whole, estimates.Results({run: whole.measured[run] for run in few})):
        monkeypatch.setattr(study_page.Results, "load", lambda work, results=results: results)
        study_page.write(tmp_path, tmp_path)
        text = (tmp_path / "study.md").read_text()
        assert "{{" not in text
        assert f"{len(results.measured)} of {len(whole.measured)}" in text
        for name in study_figures.ALL:
            assert (tmp_path / "study" / f"{name}.png").stat().st_size > 5_000
            assert f"study/{name}.png" in text
        lines = (tmp_path / "study" / "runs.csv").read_text().splitlines()
        assert len(lines) == 1 + len(results.measured)
        assert lines[0].startswith(",".join(f.name for f in dataclasses.fields(StudyRun)))
    assert "+2.0 [+2.0, +2.0]" in study_tables.where(whole)


def test_an_unknown_field_of_the_template_is_named(rng):
    with pytest.raises(ValueError, match="there is no nonsense"):
        page.filled("{{nonsense 3}}", study_page.FIELDS, _made_up(rng))
