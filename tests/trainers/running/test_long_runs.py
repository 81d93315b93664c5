"""Long runs: what is not finite, parts, precision, clipping, XLA; through the command."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.amr_tf.models import classifier, data
from tests.trainers.conftest import command, pipeline
from trainers.config.run_config import Config
from trainers.running import assembly, checkpoints
from trainers.running.checkpoints import Checkpoints
from trainers.running.nonfinite import NonFinite, NonFiniteLoss


def results(model_dir):
    return json.loads((model_dir / "results.json").read_text())


def first_losses(*model_dirs):
    rows = [next(csv.DictReader((d / "history.csv").open())) for d in model_dirs]
    return [float(row["loss"]) for row in rows]


def test_a_loss_that_is_not_finite_ends_the_run(records, flags_of_run, tmp_path):
    """The rate is such that weights overflow within the second epoch or before."""
    done = command(
        "fit", *flags_of_run, f"--model_dir={tmp_path}", "--learning_rate=1e12",
        "--checkpoint_steps=1", "--log_every=3", check=False,
    )  # fmt: skip
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: step ")
    for part in ("not finite (NaN or infinity)", "Its clips: ", "and 11 more", "--nan=skip"):
        assert part in lines[0]
    assert not (tmp_path / "results.json").exists()
    # the clips are those of that step, by the records
    step = int(lines[0].split("step ")[1].split(":")[0])
    named = (tmp_path / "nonfinite.txt").read_text().splitlines()
    config = Config.load(tmp_path)
    assert named == pipeline(config).clips_of_step(step - 1)
    # no checkpoint is of that step or later, and the newest is sound
    saved = checkpoints.saved(tmp_path / "checkpoints")
    if saved:
        assert f"Last good checkpoint: {saved[0]}" in lines[0]
        newest = checkpoints.newest(tmp_path / "checkpoints")
        assert newest.steps_done < step
        assert int(newest.nonfinite_steps.numpy()) == 0
    else:
        assert "Last good checkpoint: none" in lines[0]


class Poisoned:
    """In the place of a run's data: the batch of one step has a NaN."""

    def __init__(self, step):
        x, y = data(64)
        x["video"][16 * (step - 1) + 3, 1] = np.nan
        self.dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)

    def clips_of_step(self, step):
        return [f"clip{16 * step + i}" for i in range(16)]


@pytest.mark.parametrize("skip", [True, False])
def test_what_is_said_of_a_bad_step(tmp_path, capsys, skip):
    poisoned = Poisoned(step=3)
    model = classifier(skip_nonfinite=skip)
    watch = NonFinite(poisoned.clips_of_step, tmp_path, every=2, skip=skip)

    def fit():
        model.fit(poisoned.dataset, epochs=2, verbose=0, callbacks=[watch])

    if not skip:
        with pytest.raises(NonFiniteLoss, match=r"^step 3: .*clips: clip32, .* and 11 more .*none"):
            fit()
        assert len((tmp_path / "nonfinite.txt").read_text().splitlines()) == 16
        assert model.steps_done == 4
        return
    fit()
    assert capsys.readouterr().err.splitlines() == [
        "warning: skipped 1 of the steps up to 4: loss or gradient not finite (1 so far)",
        "warning: skipped 1 of the steps up to 8: loss or gradient not finite (2 so far)",
    ]
    assert int(model.nonfinite_steps.numpy()) == 2


def test_no_checkpoint_is_made_of_a_bad_step(tmp_path):
    """Also where the next look at the steps would come later."""
    poisoned = Poisoned(step=2)
    model = classifier()
    watch = NonFinite(poisoned.clips_of_step, tmp_path, every=100, skip=False)
    saver = Checkpoints(tmp_path, steps=1, sound=watch.look)
    with pytest.raises(NonFiniteLoss, match=r"^step 2: "):
        model.fit(poisoned.dataset, verbose=0, callbacks=[watch, saver])
    assert [p.name for p in checkpoints.saved(tmp_path)] == ["step-000000001.keras"]


@pytest.mark.slow
def test_parts_and_clipping_from_the_command(finished_run, flags_of_run, tmp_path):
    """Encoders of the demo have no batch statistics: parts change nothing; a clipped norm does."""
    whole, _ = finished_run
    for name, *flags in (("parts", "--accumulate=4"), ("clipped", "--clip_norm=1e-6")):
        command("fit", *flags_of_run, f"--model_dir={tmp_path / name}", "--noexport", *flags)
    models = [keras.models.load_model(d / "model.keras") for d in (tmp_path / "parts", whole)]
    assert models[0].accumulate == 4
    a, b = first_losses(whole, tmp_path / "parts")
    # to within what a sign of R that rounding flipped amounts to; see test_tape.py
    np.testing.assert_allclose(a, b, rtol=1e-2)
    initial = assembly.model(Config.load(whole), pipeline(Config.load(whole)))
    clipped = keras.models.load_model(tmp_path / "clipped" / "checkpoints" / "step-000000018.keras")
    moved = [
        np.linalg.norm(a.numpy() - b.numpy())
        for a, b in zip(
            clipped.audio_encoder.trainable_variables,
            initial.audio_encoder.trainable_variables,
            strict=True,
        )
    ]
    # 18 steps of at most 0.05 x 1e-6, momentum tenfold; weight decay takes a little more
    assert 0 < max(moved) < 1e-2


@pytest.mark.parametrize(
    ("precision", "flags"),
    [
        ("mixed_bfloat16", ["--jit_compile=true", "--nan=skip"]),
        pytest.param("mixed_float16", [], marks=pytest.mark.slow),
        pytest.param("float32", ["--jit_compile=true", "--nan=skip"], marks=pytest.mark.slow),
    ],
)
def test_half_precision_and_xla_from_the_command(
    finished_run, flags_of_run, tmp_path, precision, flags
):
    whole, _ = finished_run
    command("fit", *flags_of_run, f"--model_dir={tmp_path}", f"--precision={precision}", *flags,
            "--epochs=1", "--schedule=constant")  # fmt: skip
    model = keras.models.load_model(tmp_path / "model.keras")
    assert model.audio_encoder.layers[-1].compute_dtype == precision.removeprefix("mixed_")
    a, b = first_losses(whole, tmp_path)
    np.testing.assert_allclose(a, b, rtol=0.05)
    assert 0 < results(tmp_path)["dominance"]["audio"] < 1
    assert results(tmp_path).get("nonfinite_steps") == (0 if "--nan=skip" in flags else None)
    assert (tmp_path / "export" / "1" / "saved_model.pb").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cpu_replicas=4", "--accumulate=8"], "4 devices in 8 parts each"),
        (["--accumulate=0"], "--accumulate=0 must be positive"),
        (["--clip_norm=-1"], "--clip_norm=-1.0 must not be negative"),
        (["--strategy=multi_worker"], "--strategy=multi_worker needs TF_CONFIG"),
        (["--strategy=multi_worker", "--method=ume"], "--method=ume trains nothing"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(flags_of_run, tmp_path, flags, message):
    done = command("fit", *flags_of_run, f"--model_dir={tmp_path}", *flags, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_float16_on_several_devices(flags_of_run, tmp_path):
    flags = ["--precision=mixed_float16", "--cpu_replicas=2", "--epochs=1", "--noexport"]
    command("fit", *flags_of_run, f"--model_dir={tmp_path}", *flags)
    assert 0 < results(tmp_path)["accuracy"] < 1
