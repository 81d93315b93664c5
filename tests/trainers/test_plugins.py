"""What a user registers from outside counts as ours in every command."""

import io
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

import amr_tf
from tests.trainers import forks
from tests.trainers.conftest import command
from trainers.running import checkpoints

MODULE = pathlib.Path(__file__).parents[1] / "plugins" / "my_plugins.py"
PLUGINS = "--plugins=my_plugins"
PARTS = (
    "--audio_encoder=pooled(units=6)",
    "--video_encoder=pooled",
    "--fusion=averaged(temperature=2)",
)
RESULTS = "evaluation/test/results.json"
METHOD = ("--method=steadied", "--method_options=momentum=0.8")
SHARED = ("--epochs=2", "--batch_size=16", "--frame_size=16", "--deterministic", *PARTS)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A user's directory, from where the commands are called: the module lies there."""
    directory = tmp_path_factory.mktemp("project")
    shutil.copy(MODULE, directory)
    return directory


@pytest.fixture(scope="module")
def compared(project, records):
    """The user's method beside naive fusion, both with the user's encoder and head."""
    done = command(
        "compare", PLUGINS, *SHARED, f"--data_dir={records}", "--output_dir=compared",
        "--methods=naive,steadied(momentum=0.8)", "--seeds=1", cwd=project, eager=True,
    )  # fmt: skip
    return project / "compared", done


@pytest.fixture(scope="module")
def run(compared):
    """The run of the user's method with AMR."""
    return compared[0] / "runs" / "steadied-momentum=0.8-amr1-seed0"


def fit(model_dir, records, *arguments, **options):
    where = (f"--model_dir={model_dir}", f"--data_dir={records}", "--noexport")
    return command("fit", PLUGINS, *SHARED, *METHOD, *where, *arguments, eager=True, **options)


def interrupted(project, model_dir, records):
    """The same run as a process that gets SIGTERM as its second epoch begins."""
    arguments = [PLUGINS, *SHARED, *METHOD, f"--model_dir={model_dir}", f"--data_dir={records}"]
    ended = "import signal, tensorflow as tf, my_plugins as m, trainers.fit as fit\n" + (
        "tf.config.run_functions_eagerly(True)\n"
        "m.Steadied.on_epoch_begin = lambda self, model, epoch: "
        "epoch == 1 and signal.raise_signal(signal.SIGTERM)\n"
        "fit.main()"
    )
    return subprocess.run(
        [sys.executable, "-c", ended, *arguments, "--noexport"],
        cwd=project, env=forks.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip


def one_line(done):
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_compared_beside_naive_fusion(compared):
    output, done = compared
    assert "4 runs, 0 of them finished" in done.stdout
    table = (output / "table.md").read_text()
    assert "| naive |" in table
    assert "| steadied(momentum=0.8) |" in table
    flags = json.loads((output / "runs/naive-amr0-seed0/config.json").read_text())["flags"]
    assert flags["plugins"] == "my_plugins"
    assert flags["audio_encoder"] == "pooled(units=6)"


def test_interrupted_and_resumed_to_the_same_weights(project, run, records):
    model_dir = project / "resumed"
    done = interrupted(project, model_dir, records)
    assert done.returncode == 128 + signal.SIGTERM, done.stdout + done.stderr
    assert "ended by SIGTERM; the same command goes on from here" in done.stdout
    again = fit(model_dir, records, cwd=project)
    assert "going on after epoch 1" in again.stdout
    assert f"trainers.evaluate --model_dir={model_dir} {PLUGINS}\n" in again.stdout
    wanted, found = (_weights(d) for d in (run, model_dir))
    assert wanted.keys() == found.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)


def _weights(model_dir):
    """Name -> value of all that the last checkpoint holds; no class need be known for that."""
    newest = checkpoints.saved(model_dir / "checkpoints")[0]
    values = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            values[name] = item[()]

    with zipfile.ZipFile(newest) as file:
        h5py.File(io.BytesIO(file.read("model.weights.h5"))).visititems(note)
    return values


def test_evaluated_and_explained(project, run, records):
    evaluated = command("evaluate", PLUGINS, f"--model_dir={run}", cwd=project, eager=True)
    assert "steadied" in evaluated.stdout
    results = [json.loads((run / f).read_text()) for f in ("results.json", RESULTS)]
    assert results[0]["accuracy"] == pytest.approx(results[1]["accuracy"])
    assert results[0]["dominance"] == pytest.approx(results[1]["dominance"], abs=1e-5)
    page = command("explain", PLUGINS, f"--model_dir={run}", clip(records), cwd=project, eager=True)
    assert page.stdout.startswith("explanation  ")


def test_an_export_needs_the_module_no_more(project, run, records):
    command("export", PLUGINS, f"--model_dir={run}", "--export_dir=exported", cwd=project)
    of_run = ("--format=json", PLUGINS, f"--model_dir={run}", clip(records))
    of_export = ("--format=json", f"--export_dir={project / 'exported'}", clip(records))
    rows = [
        json.loads(command("predict", *of_run, cwd=project).stdout),
        json.loads(command("predict", *of_export).stdout),
    ]
    assert rows[0][0]["top"][0]["label"] == rows[1][0]["top"][0]["label"]
    assert set(rows[0][0]["shares"]) == {"audio", "video"}


@pytest.mark.parametrize("name", ["evaluate", "export", "predict", "explain", "fit"])
def test_without_plugins_each_command_says_what_to_give(project, run, records, name):
    if name == "fit":
        given = [*SHARED, *METHOD, f"--model_dir={run}", f"--data_dir={records}"]
        wanted = "--audio_encoder=pooled: choose one of small, resnet18"
    else:
        given = [f"--model_dir={run}", *([clip(records)] if name in ("predict", "explain") else [])]
        wanted = f"{run} was trained with plug-ins: give --plugins=my_plugins"
    assert wanted in one_line(command(name, *given, check=False, cwd=project))


def test_a_saved_file_is_refused_where_the_module_was_never_imported(run):
    """Also where it could be imported: loading a file imports nothing."""
    with pytest.raises(ValueError, match=r"is refused: it holds my_plugins\.Steadied"):
        amr_tf.load_model(run / "model.keras")
    assert "my_plugins" not in sys.modules


def test_help_tells_of_them(project):
    """`fit --help` and `compare --help` alike."""
    told = " ".join(command("fit", PLUGINS, "--help", check=False, cwd=project).stdout.split())
    assert "steadied: divides the loss by its own running mean (of a user)" in told
    assert "averaged(temperature)" in told


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--method_options=speed=2", "steadied has the options momentum"),
        ("--method_options=momentum=2", "steadied: momentum is in [0, 1), got 2"),
        ("--audio_encoder=pooled(width=3)", "pooled has no option 'width': it has units"),
        ("--fusion=averaged(hidden=3)", "averaged has no option 'hidden': it has temperature"),
        ("--hidden=3", "--hidden=3: averaged has no option 'hidden'"),
        ("--encoder_width=3", "--encoder_width=3: pooled has no option 'width'"),
        ("--features_encoder=pooled", "--features_encoder=pooled: choose one of mlp"),
    ],
)
def test_a_wrong_option_is_refused_before_the_run_begins(project, records, flags, message):
    done = fit(project / "wrong", records, flags, check=False, cwd=project)
    assert message in one_line(done)
    assert not (project / "wrong").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("def (", "SyntaxError: invalid syntax"),
        (
            "import amr_tf\n@amr_tf.register_method('ogm')\nclass Mine(amr_tf.methods.Naive): pass",
            "ValueError: there is a method 'ogm' already: amr_tf.methods.ogm.OGM",
        ),
        (
            "import amr_tf\namr_tf.register_head('concat', lambda shapes, classes, seed: None)",
            "ValueError: there is a fusion head 'concat' already",
        ),
        (
            "import amr_tf\namr_tf.register_encoder('My Net', ('audio',), print)",
            "ValueError: the name of each encoder is a lower-case identifier, not 'My Net'",
        ),
        (
            "import amr_tf\namr_tf.register_method('mine', int)",
            "TypeError: a method is a subclass of amr_tf.methods.Method",
        ),
    ],
)
def test_a_module_that_cannot_be_used_is_named(tmp_path, source, message):
    (tmp_path / "broken.py").write_text(source)
    refused = one_line(command("fit", "--plugins=broken", check=False, cwd=tmp_path))
    assert "--plugins: the module 'broken' cannot be imported: " in refused
    assert message in refused


def clip(records):
    """A media file of the records' source."""
    return str(next((records / "clips" / "video").glob("*.mp4")))
