"""The study on real data: its plan, its arrays, its statistics, a tiny run from end to end."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from amr_tf.modalities import AudioConfig, Corruption
from studies import runs, training
from studies.frontier import components, data, estimates, figures, page, plan, tables, train
from studies.frontier.plan import FrontierRun

NAMES = {"words": ("audio", "video"), "frame": ("audio", "video"), "views": ("a", "b", "c")}


def everything():
    return list(itertools.chain(*plan.waves(NAMES, plan.PARTS)))


def test_runs_are_planned_once_and_what_others_learn_from_comes_first():
    planned = everything()
    assert len(set(planned)) == len({run.name for run in planned}) == len(planned)
    assert planned[0] == FrontierRun("words")
    assert all(run.method == "naive" for run in planned[:120])  # the dial comes first
    teachers = [i for i, run in enumerate(planned) if run.method == plan.ALONE]
    learners = [i for i, run in enumerate(planned) if run.method in ("umt", plan.ENSEMBLE)]
    assert max(teachers) < min(learners)
    # every comparison that was decided upon has its runs
    for comparison in estimates.comparisons(list(NAMES)):
        assert {comparison.run, comparison.other} <= set(planned)
    # what shares a traced step follows one another within a wave
    for wave in plan.waves(NAMES, plan.PARTS):
        graphs = [key for key, _ in itertools.groupby(run.graph for run in wave)]
        assert len(graphs) == len(set(graphs))
    assert {run.inputs for run in itertools.chain(*plan.waves(NAMES, ["clips"]))} == {"clips"}


def test_components_against_an_eigendecomposition(rng, monkeypatch):
    monkeypatch.setattr(components, "COMPONENTS", 12)
    monkeypatch.setattr(components, "_MOST_NUMBERS", 20)
    train = rng.normal(size=(200, 40)) * np.linspace(3, 0.1, 40)
    train[:, :4] *= [40, 30, 20, 10]
    found = components.Components(train)(train)
    centred = train - train.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(train))
    expected = centred @ vectors[:, ::-1][:, :12] / values[::-1][:12] ** 0.25
    for k in range(4):  # up to the sign and one factor for all
        assert abs(stats.pearsonr(found[:, k], expected[:, k])[0]) > 0.999
    ratio = found[:, :4].std(axis=0) / expected[:, :4].std(axis=0)
    np.testing.assert_allclose(ratio / ratio[0], 1, rtol=1e-2)
    np.testing.assert_allclose(np.mean(found**2), 1, rtol=1e-5)
    few = components.Components(train[:, :5])(train[:, :5])
    expected = (train[:, :5] - train[:, :5].mean(axis=0)) / train[:, :5].std(axis=0)
    np.testing.assert_allclose(few, expected, rtol=1e-4, atol=1e-5)


def test_frames_become_brightness_of_half_the_size(rng):
    clips = rng.integers(0, 256, (2, 3, 4, 6, 3)).astype(np.uint8)
    found = components.numbers_of(clips).reshape(2, 3, 2, 3)
    np.testing.assert_allclose(found[1, 2, 0, 1], clips[1, 2, :2, 2:4].mean(), rtol=1e-6)


def test_noise_in_training_takes_turns_on_every_second_clip():
    def adds(ten):
        return lambda clip, level, rng: (clip + ten + level).astype(clip.dtype)

    class Config(AudioConfig):
        def corruptions(self, others=()):
            levels = (1, 2, 3, 4, 5)
            return tuple(Corruption(str(t), levels, "", adds(t)) for t in (10, 20))

    change = data.every_second([c.of("audio") for c in Config().corruptions([])])
    clips = tf.data.Dataset.from_tensors({"audio": tf.zeros(1)}).repeat(22).enumerate().map(change)
    found = [int(clip["audio"][0]) for clip in clips]
    assert found[::2] == [0] * 11
    assert found[1::2] == [11, 21, 12, 22, 13, 23, 14, 24, 15, 25, 11]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A tiny set of two kinds of numbers, and short runs."""
    work = tmp_path_factory.mktemp("frontier")
    rng = np.random.default_rng(0)
    label = np.arange(80) % 3
    arrays = {
        "audio:features": np.eye(3, 5)[label] * 3 + rng.normal(size=(80, 5)),
        "video:features": np.eye(3, 4)[label] * 2 + rng.normal(size=(80, 4)),
    }
    split = np.where(np.arange(80) < 60, "train", "test")
    np.savez(work / "words.npz", label=label, split=split, **arrays)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(train.RECIPES, "components", train.Recipe(6, 2, 8, 0.01))
        train._traced.cache_clear()
        assert data.make(work, {"words": str(work / "words.npz"), "digits": ""}) == [
            "words", "words_noisy"
        ]  # fmt: skip
        yield work


def test_a_set_that_is_made_is_read_and_not_made_again(work, monkeypatch):
    monkeypatch.setattr(data, "_make_clips", None)
    assert data.make(work, {"words": str(work / "words.npz")}) == ["words", "words_noisy"]
    inputs, labels = data.split(work, "words", "components", "train")
    assert {m: x.shape[1] for m, x in inputs.items()} == {"audio": 5, "video": 4}
    for x in inputs.values():
        np.testing.assert_allclose([x.mean(), x.std()], [0, 1], atol=2e-3)
    noisy, same = data.split(work, "words_noisy", "clips", "train")
    clean, _ = data.split(work, "words", "clips", "train")
    np.testing.assert_array_equal(labels, same)
    np.testing.assert_array_equal(noisy["video"], clean["video"])
    differ = (noisy["audio"] != clean["audio"]).any(axis=1)
    assert not differ[::2].any()
    assert differ[1::2].mean() > 0.8


def test_a_run_measures_everything_once_and_resumes(work):
    run = FrontierRun("words").amr(ratio="1:4")
    train.make_run(work, run)
    first = train.result(work, run)
    assert all(np.isfinite(list(first.values())))
    for name in ("accuracy", "video_corrupted5", "without_audio", "probe_video", "shapley_audio"):
        assert 0 <= first[name] <= 1
    np.testing.assert_allclose(first["share_audio"] + first["share_video"], 1, rtol=1e-5)
    np.testing.assert_allclose(first["multiplier_audio"], -first["multiplier_video"], atol=1e-5)
    path = runs.path(work, run)
    stamp = path.stat().st_mtime_ns
    train.make_run(work, run)
    assert path.stat().st_mtime_ns == stamp
    path.write_text(path.read_text()[:50])
    train.make_run(work, run)  # by the step that is traced already
    again = train.result(work, run)
    assert {n: v for n, v in again.items() if "seconds" not in n} == {
        n: v for n, v in first.items() if "seconds" not in n
    }


def test_settings_of_a_seed_start_alike_and_what_methods_require_is_there(work):
    runs_ = [FrontierRun("words"), FrontierRun("words").amr(ratio="4:1")]
    weights = [train.fresh(work, run).trainable_variables for run in runs_]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    other = train.fresh(work, FrontierRun("words", seed=1)).trainable_variables
    assert any(
        np.abs(a.numpy() - b.numpy()).max() > 0.01 for a, b in zip(weights[0], other, strict=True)
    )
    for modality in ("audio", "video"):
        train.make_run(work, FrontierRun("words", plan.ALONE, modality=modality))
    ensemble = FrontierRun("words", plan.ENSEMBLE)
    train.make_run(work, ensemble)
    inputs, labels = data.split(work, "words", "components", "test")
    teachers = [train._teacher(work, ensemble, m) for m in inputs]
    logits = sum(t({m: tf.constant(np.array(inputs[m]))}).numpy() for t, m in
                 zip(teachers, inputs, strict=True))  # fmt: skip
    assert train.result(work, ensemble)["accuracy"] == np.mean(logits.argmax(1) == labels)
    for method in ("umt", "gge"):  # they ask for teachers and for counts of classes
        train.fresh(work, FrontierRun("words", method))


def made_up(rng, planned):
    """Numbers of all runs: audio : video moves robustness, and costs nothing."""
    found = {}
    for run in planned:
        sound, picture = (float(x) for x in run.ratio.split(":"))
        share = sound / (sound + picture) if run.weight != "0" else 0.6
        noise = rng.normal(0, 0.002)
        numbers = {"accuracy": 0.9 + noise, "mAP": 0.9, "seconds": 1.0}
        if not run.modality:
            for m, s in (("audio", share), ("video", 1 - share)):
                numbers |= {f"{n}_{m}": s for n in ("share", "shapley", "behaviour")}
                numbers |= {f"train_share_{m}": s}
                numbers |= {f"without_{m}": 0.5, f"probe_{m}": 0.5 + rng.normal(0, 0.01)}
                corrupted = {f"{m}_corrupted{k}": 0.9 - 0.5 * s + noise for k in range(1, 6)}
                numbers |= corrupted
        found[run] = numbers | estimates._derived(numbers)
    return found


def test_comparisons_are_paired_and_corrected_for_all_that_were_planned(rng):
    planned = [run for run in everything() if run.inputs != "clips"]
    results = estimates.Results(made_up(rng, planned))
    found = estimates.outcomes(results, list(NAMES))
    comparison = next(c for c in found if c.measure == estimates.SOUND and c.question == "1")
    a, b = (
        [np.mean([results.measured[run.but(seed=s)][f"audio_corrupted{k}"] for k in range(1, 6)])
         for s in range(10)]
        for run in (comparison.run, comparison.other)
    )  # fmt: skip
    outcome = found[comparison]
    np.testing.assert_allclose(outcome.p, stats.ttest_rel(a, b).pvalue, rtol=1e-6)
    np.testing.assert_allclose(outcome.difference.mean, 100 * (np.mean(a) - np.mean(b)))
    assert outcome.stands
    open_ = [c for c, o in found.items() if o.difference is None]
    assert {c.question for c in open_} == {"4"}  # no clips
    smallest = min(o.p for o in found.values() if o.difference is not None)
    corrected = min(o.corrected for o in found.values() if o.difference is not None)
    np.testing.assert_allclose(corrected, min(1, smallest * len(found)))


def test_how_far_a_share_is_from_an_even_one(rng):
    planned = [run for run in everything() if run.inputs != "clips"]
    results = estimates.Results(made_up(rng, planned))
    naive = FrontierRun("words")
    assert results.mean(naive.amr(), "missed").mean == pytest.approx(0)
    assert results.mean(naive.amr(ratio="4:1"), "missed_train").mean == pytest.approx(30)
    assert (
        tables.reached(results, list(NAMES), "words").count("| 10.0 ± 0.0 |") > 2
    )  # 60/40 without AMR


def test_the_curves_cross_where_they_were_made_to(rng):
    results = estimates.Results(made_up(rng, everything()))
    np.testing.assert_allclose(tables.crossing(results, FrontierRun("words")), 50, atol=0.5)
    assert estimates.best_ratio(results, FrontierRun("words"), "worst") == "1:1"


@pytest.mark.parametrize("part", [1.0, 0.1])
def test_the_page_is_made_of_what_is_finished(part, rng, tmp_path, monkeypatch):
    planned = everything()
    results = estimates.Results(made_up(rng, planned[: int(part * len(planned))]))
    monkeypatch.setattr(page.Results, "load", lambda work, planned: results)
    monkeypatch.setattr(page.drawing, "write", lambda *arguments: None)
    page.write(tmp_path, tmp_path, NAMES)
    text = (tmp_path / "frontier.md").read_text()
    assert "{{" not in text
    assert f"{len(results.measured)} of {len(planned)}" in text
    assert ("These runs are not finished" in text) == (part < 1)
    assert "left out: spoken and written digits" in text
    for name in figures.ALL:
        assert f"frontier/{name}.png" in text
    lines = (tmp_path / "frontier" / "runs.csv").read_text().splitlines()
    assert len(lines) == 1 + len(results.measured)


def test_every_figure_is_drawn(rng):
    results = estimates.Results(made_up(rng, everything()[:200]))
    for draw in figures.ALL.values():
        figure = draw(results, list(NAMES))
        assert any(axes.lines or axes.containers for axes in figure.axes)
        figures.plt.close(figure)


def test_the_order_of_clips_is_a_permutation_an_epoch():
    rows = training.order(10, 3, 2, seed=4)
    assert rows.shape == (6, 3)
    for epoch in rows.reshape(2, 9):
        assert len(set(epoch)) == 9
    assert (rows == training.order(10, 3, 2, seed=4)).all()
    assert (rows != training.order(10, 3, 2, seed=5)).any()
