"""No flag is ignored: each changes something, or is refused where it cannot."""

import dataclasses
import inspect
import json
import pathlib
import re

import keras
import numpy as np
import pytest
from absl import flags

from amr_tf.modalities import Augment, VideoConfig
from tests.trainers.config.test_run_config import described, parsed
from tests.trainers.conftest import pipeline
from tfrecords.description import DatasetInfo
from tfrecords.reading.pipeline import Pipeline
from tfrecords.stored import StoredAudio, StoredFeatures, StoredImage, StoredText, StoredVideo
from trainers import compare
from trainers.config.encoder_flags import encoder_of
from trainers.config.model_inputs import inputs_of_records
from trainers.config.run_config import Config
from trainers.running import assembly

SMALL = ("--batch_size=16", "--frame_size=16", "--encoder_width=4")

# flag -> a value that is not its default; of each the made model, optimizers or data must differ
MODEL = {
    "method": "dropout", "fusion": "sum", "hidden": "8", "frozen": "audio", "amr_weight": "0",
    "amr_ratio": "1:2", "amr_target": "logit", "amr_measure": "shapley", "amr_scope": "all",
    "amr_optimizer": "adam",
    "amr_learning_rate": "0.3", "optimizer": "adam", "learning_rate": "0.2", "momentum": "0.5",
    "weight_decay": "0.1", "schedule": "constant", "epochs": "3", "clip_norm": "1", "nan": "skip",
    "accumulate": "2", "jit_compile": "true", "encoder_width": "8", "seed": "5",
}  # fmt: skip
DATA = {
    "batch_size": "8", "cache": "no", "crop_scale": "0.9", "flip": "false",
    "spec_augment_time": "3", "spec_augment_freq": "3",
}  # fmt: skip
INPUTS = {
    "audio_rate": "8000", "audio_seconds": "0.5", "tile_seconds": "3", "fft_length": "64",
    "hop": "64", "frames": "2", "frame_size": "32", "text_length": "2", "feature_steps": "2",
}  # fmt: skip
ENCODERS = {
    "audio_encoder": ("audio", "resnet18"), "video_encoder": ("video", "c3d"),
    "image_encoder": ("image", "resnet18"), "text_encoder": ("text", "text_gru"),
    "features_encoder": ("features", "gru"),
}  # fmt: skip
# flag -> the test file that shows what it does
ELSEWHERE = {
    "dataset": "config/test_run_config.py", "data_dir": "config/test_run_config.py",
    "preset": "config/test_run_config.py", "model_dir": "test_fit.py",
    "recipe": "config/test_effects.py", "method_options": "config/test_effects.py",
    "video_depth": "config/test_effects.py", "audio_weights": "config/test_effects.py",
    "video_weights": "config/test_effects.py", "modalities": "test_any_modalities.py",
    "encoders": "test_any_modalities.py", "plugins": "test_plugins.py",
    "teachers": "running/test_teachers.py", "data_service": "running/test_borrowing.py",
    "class_weights": "running/test_training.py",
    "strategy": "running/test_long_runs.py", "precision": "running/test_long_runs.py",
    "cpu_replicas": "test_fit.py", "skip_corrupt": "test_fit.py",
    "overwrite": "running/test_run_directory.py",
    "export": "test_fit.py", "log_every": "running/test_long_runs.py",
    "deterministic": "conftest.py", "checkpoint_steps": "running/test_checkpoints.py",
    "checkpoint_minutes": "running/test_checkpoints.py",
    "keep_checkpoints": "running/test_multi_worker.py",
}  # fmt: skip


# flag -> the argument that it becomes, where the test gives that
ARGUMENTS = {"checkpoint_minutes": "minutes"}


def test_every_flag_is_walked():
    walked = {*MODEL, *DATA, *INPUTS, *ENCODERS, *ELSEWHERE}
    assert {field.name for field in dataclasses.fields(Config)} == walked
    tests = pathlib.Path(__file__).parents[1]
    for flag, file in ELSEWHERE.items():
        text = (tests / file).read_text()
        assert re.search(rf"--(no)?{flag}\b|\b{flag}=|\b{ARGUMENTS.get(flag)}=", text), flag


def compiled(config):
    """All that the flags decide of a run's model, as JSON."""
    keras.utils.set_random_seed(config.seed)
    data = pipeline(config)
    model = assembly.model(config, data)
    sums = [float(abs(w).sum()) for w in model.get_weights()[:4]]
    trained = [variable.shape for variable in model.trainable_variables]
    content = [
        model.get_config(), model.get_compile_config(), model.jit_compile, sums, len(trained)
    ]  # fmt: skip
    return json.dumps(content, default=str)


@pytest.fixture(scope="module")
def plain(records):
    return compiled(parsed(f"--data_dir={records}", *SMALL))


@pytest.mark.parametrize("flag", MODEL)
def test_a_flag_changes_the_model_or_its_optimizers(flag, plain, records):
    given = [f"--data_dir={records}", *SMALL, f"--{flag}={MODEL[flag]}"]
    assert compiled(parsed(*given)) != plain


@pytest.mark.parametrize("flag", DATA)
def test_a_flag_changes_the_data(flag, records):
    def observed(*given):
        data = pipeline(parsed(f"--data_dir={records}", *given))
        return data.batch_size, data.cache, data.augment

    assert observed(f"--{flag}={DATA[flag]}") != observed()


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    """Records of all kinds, described and nothing else."""
    stored = {
        "audio": StoredAudio(16_000),
        "video": StoredVideo(1.0, 256),
        "image": StoredImage(64),
        "text": StoredText(("a", "b"), 7),
        "features": StoredFeatures((None, 4), max_steps=9),
    }
    return described(tmp_path_factory.mktemp("records") / "all", "manifest", stored)


@pytest.mark.parametrize("flag", INPUTS)
def test_a_flag_changes_what_the_model_takes(flag, every_kind):
    def observed(*given):
        config = parsed(f"--data_dir={every_kind}", *given)
        found = inputs_of_records(config, DatasetInfo.load(config.data_dir))
        return {name: modality.describe() for name, modality in found.items()}

    assert observed(f"--{flag}={INPUTS[flag]}") != observed()


@pytest.mark.parametrize("flag", ENCODERS)
def test_a_flag_changes_the_encoder(flag, every_kind):
    modality, value = ENCODERS[flag]
    config = parsed(f"--data_dir={every_kind}", f"--{flag}={value}")
    assert encoder_of(config, modality)[0] == value
    assert encoder_of(parsed(f"--data_dir={every_kind}"), modality)[0] != value


def test_depth_and_weights_reach_the_encoders(every_kind, tmp_path):
    (tmp_path / "a.keras").touch()
    weights = f"{tmp_path / 'a.keras'}"
    data = f"--data_dir={every_kind}"
    config = parsed(data, "--video_encoder=c3d", "--video_depth=5", f"--video_weights={weights}",
                    f"--audio_weights={weights}")  # fmt: skip
    assert encoder_of(config, "video") == ("c3d", {"depth": 5, "weights": weights})
    assert encoder_of(config, "audio")[1] == {"weights": weights}


USELESS = [
    (["--optimizer=adam", "--momentum=0.5"], "--momentum=0.5 has no effect: --optimizer=adam has"),
    (["--optimizer=adam", "--weight_decay=0.1"], "--weight_decay=0.1 has no effect"),
    (["--optimizer=adamw", "--momentum=0.5"], "--momentum=0.5 has no effect"),
    (["--optimizer=lamb", "--momentum=0.5"], "--momentum=0.5 has no effect"),
    (["--amr_weight=0", "--amr_ratio=1:1:1:1:2"], "--amr_ratio=1:1:1:1:2 has no effect: there is"),
    (["--amr_weight=0", "--amr_optimizer=adam"], "--amr_optimizer=adam has no effect"),
    (["--amr_weight=0", "--amr_learning_rate=1"], "--amr_learning_rate=1.0 has no effect"),
    (["--method=audio", "--amr_weight=2"], "--amr_weight=2.0 has no effect: a model of"),
    (["--method=audio", "--fusion=sum"], "--fusion=sum has no effect"),
    (["--method=audio", "--hidden=8"], "--hidden=8 has no effect"),
    (["--method=audio", "--amr_target=logit"], "--amr_target=logit has no effect"),
    (["--method=audio", "--frames=2"], "no modality of the kind video"),
    (["--method=audio", "--flip"], "no modality of the kind video or image"),
    (["--method=video", "--hop=64"], "--hop=64 has no effect: the model has no modality of the"),
    (["--modalities=audio,text", "--image_encoder=small"], "no modality of the kind image"),
    (["--modalities=audio,image", "--text_length=3"], "no modality of the kind text"),
    (["--modalities=text,features", "--encoder_width=8"], "kind audio or video or image"),
    (["--modalities=text,audio", "--feature_steps=3"], "no modality of the kind features"),
    (["--method=ume", "--amr_weight=2"], "--amr_weight=2.0 has no effect: --method=ume trains"),
    (
        ["--modalities=audio,text", "--method=ume", "--teachers=audio=a,text=b", "--epochs=3"],
        "--epochs=3 has no effect: --method=ume trains nothing",
    ),
    (["--preset=half"], "--preset=half has no effect: it is for the synthetic data"),
    (["--encoders=audio=resnet18", "--audio_encoder=small"], "--encoders names those of audio"),
    (["--strategy=one_device", "--cpu_replicas=2"], "--cpu_replicas=2 has no effect"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"), USELESS, ids=[" ".join(given) for given, _ in USELESS]
)
def test_a_flag_without_effect_is_refused(given, message, every_kind):
    with pytest.raises(ValueError, match=message):
        parsed(f"--data_dir={every_kind}", *given)


def test_steps_of_features_that_have_none_are_refused(tmp_path):
    data = described(tmp_path / "six", "arrays", {"a": StoredFeatures((3,))})
    with pytest.raises(ValueError, match="the records hold features without steps"):
        parsed(f"--data_dir={data}", "--feature_steps=4")


def test_a_flag_that_is_off_says_what_is_so_anyway(every_kind):
    parsed(f"--data_dir={every_kind}", "--method=audio", "--amr_weight=0", "--hidden=0", "--noflip")


def test_a_recipe_brings_its_methods_published_options(tmp_path):
    data = f"--data_dir={described(tmp_path)}"
    for method in ("ogm", "ogm_ge"):
        made = parsed(data, "--recipe=ogm_cremad", f"--method={method}").make_method()
        assert made.alpha == 0.8
        made = parsed(
            data, "--recipe=ogm_cremad", f"--method={method}", "--method_options=alpha=0.3,end=9"
        ).make_method()
        assert (made.alpha, made.end) == (0.3, 9)
    assert parsed(data, "--recipe=ogm_cremad").method_options == ""
    vggsound = f"--data_dir={described(tmp_path / 'v', 'vggsound')}"
    assert parsed(vggsound, "--recipe=ogm_vggsound", "--method=ogm").make_method().alpha == 0.1


def test_a_comparison_gives_each_run_the_flags_that_it_has_a_use_for(records, tmp_path):
    values = flags.FlagValues()
    compare.trainer_flags.define(values, without=compare._OWN)
    values(["compare", f"--data_dir={records}", "--amr_ratio=1:2", "--hop=64", "--hidden=4"])
    config = compare.asked.shared_config(values)
    made = compare.Comparison(tmp_path / "c", config, compare.asked.shared_flags(values))
    table = compare.plan.rows([("naive", ""), ("video", "")], [0], config.names, [])
    for run in compare.plan.in_order(table, config.names):
        given = made.command(run)
        parsed(*given[3:])
        has = {g.split("=")[0] for g in given}
        assert ("--amr_ratio" in has) == (run.amr_weight == "1")
        assert ("--hop" in has) == (run.method != "video")
        assert ("--hidden" in has) == (run.method != "video")


def test_no_flag_of_the_other_commands_is_without_a_test():
    root = pathlib.Path(compare.__file__).parents[1]  # of the sources, or of the installed package
    sources = [*(root / "trainers").glob("*.py"), root / "trainers/running/windows.py"]
    sources += [root / "tfrecords" / f"{name}.py" for name in ("build", "inspect", "serve")]
    defined = {
        flag
        for source in sources
        for flag in re.findall(r'DEFINE_\w+\(\s*"(\w+)"', source.read_text())
    }
    tests = pathlib.Path(__file__).parents[2]
    texts = "\n".join(path.read_text() for path in tests.rglob("*.py"))
    unused = {flag for flag in defined if not re.search(rf"\b(no)?{flag}\b", texts)}
    assert len(defined) > 40
    assert unused == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 8}, {"seed": 3}, {"cache": "no"}, {"worker": (1, 2)},
        {"augment": Augment(crop_scale=(1, 1))},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_every_argument_of_a_pipeline_changes_what_it_yields(changes, records):
    """`inputs` and `directory` decide all; what `skip_corrupt` does needs a corrupt record."""

    def first(**options):
        inputs = {"video": VideoConfig(2, 16)}
        made = Pipeline(records, inputs, **{"batch_size": 16, "cache": "yes", **options})
        batch, labels = next(iter(made.train()))
        return np.concatenate([labels.numpy().ravel(), batch["video"].numpy().ravel()])

    one, other = first(), first(**changes)
    assert one.shape != other.shape or (one != other).any()
    names = {"directory", "inputs", "batch_size", "seed", "cache", "augment", "worker"}
    assert set(inspect.signature(Pipeline).parameters) == names | {"skip_corrupt"}
