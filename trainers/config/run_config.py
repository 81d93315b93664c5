"""The description of a training run, one frozen object; flags are made from its fields.

A field's metadata holds the flag's help and, where there are few, the values it can take.
"""

import dataclasses
import json
import pathlib
import typing
from collections.abc import Callable, Iterable
from typing import Any

from amr_tf._checks import MOVING_RATIOS, SCOPES, check_amr_weight
from amr_tf._registry import check_options, is_trusted
from amr_tf.attribution import TARGETS
from amr_tf.heads import HEADS, head_options
from amr_tf.measures import MEASURES
from amr_tf.methods.base import TEACHERS
from amr_tf.modalities import MODALITIES
from tfrecords.datasets import DATASETS, DEMO
from tfrecords.reading import machines
from trainers.config import encoder_flags
from trainers.config.methods import make_method, method_of
from trainers.config.parsing import (
    AskedModality,
    parse_modalities,
    parse_plugin,
    parse_ratio,
)
from trainers.config.recipes import PRESETS, recipes

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
OPTIMIZERS = ("sgd", "adam", "adamw", "lamb")
# Flags about fusion, attribution and the other methods: two runs of one modality that differ in
# only them are the same run.
UNUSED_BY_ONE_MODALITY = (
    "amr_ratio", "amr_scope", "amr_target", "amr_measure", "amr_optimizer", "amr_learning_rate",
    "fusion", "teachers",
)  # fmt: skip

Choices = Iterable[str] | Callable[[], Iterable[str]]


def _flag(default: Any, text: str, choices: Choices = ()) -> Any:
    """A field that is a flag; choices that plug-ins may add to are looked up when needed."""
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices})


def choices_of(field: dataclasses.Field) -> tuple[str, ...]:
    """The values that a field can take, those of plug-ins among them; none if all are good."""
    choices = field.metadata["choices"]
    return tuple(choices() if callable(choices) else choices)


@dataclasses.dataclass(frozen=True)
class Config:
    """A training run; `trainers.fit --help` explains each field."""

    # what to learn from, and where results go
    dataset: str = _flag(
        DEMO,
        f"Data set whose records lie in data/DATASET, unless --data_dir names others. {DEMO}: its "
        "clips are made on first use.",
        lambda: DATASETS,
    )
    data_dir: str = _flag("", "Directory of the records (default: data/DATASET[-PRESET]).")
    model_dir: str = _flag(
        "", "Directory of the run (default: runs/DATA-METHOD-amrWEIGHT-seedSEED[-PRESET])."
    )
    preset: str = _flag(
        "quick",
        f"Size of a run on {DEMO} data: half or all of its clips, in larger batches, or fewer.",
        lambda: PRESETS,
    )
    recipe: str = _flag(
        "demo",
        "Defaults of features, encoders and optimizer: demo for small clips on a CPU; "
        "short_clips for words and the like, whose order in time matters; others as published. A "
        "flag that is given wins.",
        lambda: recipes(),
    )
    modalities: str = _flag(
        "",
        "Modalities to train on, in their order, of those that the records hold (default: all); "
        "sizes of one in brackets: rgb(frames=8),flow(frames=4,size=32).",
    )
    plugins: str = _flag(
        "",
        "Modules that register methods, encoders, heads, modalities or data sets of your own: "
        "a,b.c",
    )
    # what to train
    method: str = _flag(
        "naive",
        "Training method; the name of a modality trains only that one. METHODS.",
    )
    method_options: str = _flag("", "The method's own options, e.g. `rate=0.3,seed=1`.")
    teachers: str = _flag(
        "",
        "Finished unimodal runs for methods that need teachers, `audio=DIR,video=DIR`; those not "
        "given are trained first, beside --model_dir, and kept.",
    )
    fusion: str = _flag("concat", "Fusion head, with options in brackets: HEADS.")
    hidden: int = _flag(0, "Units of the head's hidden layer; 0 for a linear head.")
    audio_encoder: str = _flag(
        "small",
        "Encoder of sound: a name, e.g. resnet18 or small(width=8), a function of your own as "
        "module:function, or a saved model as FILE.keras.",
    )
    video_encoder: str = _flag("small", "Encoder of video, e.g. resnet18 or c3d(depth=5).")
    image_encoder: str = _flag("small", "Encoder of images, e.g. resnet18 or small(width=8).")
    text_encoder: str = _flag("text_cnn", "Encoder of text, e.g. text_gru.")
    features_encoder: str = _flag(
        "mlp", "Encoder of features, e.g. mlp(width=64); gru for sequences."
    )
    encoders: str = _flag(
        "",
        "Encoders of single modalities, `rgb=resnet18,flow=c3d(depth=5)`; they win over those of "
        "their kind.",
    )
    encoder_width: int = _flag(
        0,
        "Channels of the first stage of encoders of sound, video and images; 0 for their default.",
    )
    video_depth: int = _flag(0, "Layers of a video encoder of several depths; 0 for its default.")
    audio_weights: str = _flag("", "Saved encoder to start from (.keras or .weights.h5).")
    video_weights: str = _flag("", "Saved encoder to start from (.keras or .weights.h5).")
    frozen: str = _flag("", "Encoders that training does not change, e.g. `audio,video`.")
    # attribution regularisation
    amr_weight: float | str = _flag(
        1.0,
        "Weight of the attribution regulariser; 0 trains without AMR, auto finds the force that "
        "holds the ratio.",
    )
    amr_ratio: str = _flag(
        "",
        "Wanted ratio of attributions, `1:2` or `audio=1,video=2` (default: all equal); auto: "
        "moved towards what each modality knows by itself of validation clips; worst_case: moved "
        "away from the modality whose corruption costs the most.",
    )
    amr_target: str = _flag(
        "probability",
        "What is attributed: of the top class its log-odds or its logit, or the log-odds of the "
        "true label; of several labels probability or label. A regression attributes its output.",
        TARGETS,
    )
    amr_measure: str = _flag(
        "gradient",
        "Whose shares are balanced: those of Grad⊙Input, of Integrated Gradients, or of Shapley "
        "values (up to 6 modalities).",
        MEASURES,
    )
    amr_scope: str = _flag(
        "head",
        "What the regulariser trains: the head, all (the encoders, too), or the head and the "
        "encoders of the weaker modalities, whose shares are below the ratio.",
        SCOPES,
    )
    amr_optimizer: str = _flag("sgd", "Optimizer of the regulariser.", OPTIMIZERS)
    amr_learning_rate: float = _flag(
        0.1, "Highest learning rate of the regulariser; follows the shape of --schedule."
    )
    # optimisation
    optimizer: str = _flag("sgd", "Optimizer of the task.", OPTIMIZERS)
    learning_rate: float = _flag(0.05, "Highest learning rate of the task.")
    momentum: float = _flag(0.9, "Momentum of the task's sgd.")
    weight_decay: float = _flag(1e-4, "Decoupled weight decay.")
    schedule: str = _flag(
        "cosine",
        "Learning rate: constant, cosine to zero, or step (x0.1 after 70 % of the epochs).",
        ("constant", "cosine", "step"),
    )
    epochs: int = _flag(16, "Passes over the training data.")
    batch_size: int = _flag(64, "Global batch: clips a step, over all devices.")
    class_weights: str = _flag(
        "equal",
        "Weight of a training clip in the task's loss: equal, or balanced, inversely to the "
        "clips of its class (only with one class a clip). The regulariser counts all alike.",
        ("equal", "balanced"),
    )
    clip_norm: float = _flag(
        0.0, "Clip the task's gradient, summed over all devices, to this norm; 0 for never."
    )
    accumulate: int = _flag(
        1, "Encoders take a batch in this many parts: less memory, the same results, slower."
    )
    # features and augmentation
    audio_rate: int = _flag(0, "Samples a second that the records must hold; 0 for any rate.")
    audio_seconds: float = _flag(1.0, "Length of sound that the model hears.")
    tile_seconds: float = _flag(0.0, "Repeat or cut sound to this length first; 0: as it is.")
    fft_length: int = _flag(256, "Samples in a window of the short-time Fourier transform.")
    hop: int = _flag(128, "Samples between two windows of the short-time Fourier transform.")
    frames: int = _flag(3, "Frames of a clip that the model sees.")
    frame_size: int = _flag(64, "Height and width of frames and images, pixels.")
    text_length: int = _flag(
        0, "Words of a text that the model reads; 0: the longest of the records, at most 128."
    )
    feature_steps: int = _flag(
        0, "Steps of a sequence of features that the model sees; 0: the longest of the records."
    )
    crop_scale: float = _flag(0.6, "Random resized crops cover at least this part of a frame.")
    flip: bool = _flag(True, "Mirror half of the training clips.")
    spec_augment_time: int = _flag(0, "Widest SpecAugment time mask, steps; 0 for none.")
    spec_augment_freq: int = _flag(0, "Widest SpecAugment frequency mask, bins; 0 for none.")
    cache: str = _flag(
        "auto", "Keep decoded clips in memory; auto: where they fit.", ("auto", "yes", "no")
    )
    skip_corrupt: bool = _flag(
        False, "Skip and count corrupt records, whose shards are checked first; else stop at one."
    )
    data_service: str = _flag(
        "",
        "Machines that make the training batches, for records that exceed memory: HOST:PORT, "
        "separated by commas; `python -m tfrecords.serve` runs on each. They must see "
        "--data_dir under the same path. The order is that of --cache=no, however many there are. "
        "Evaluation reads on this machine.",
    )
    # the machine
    strategy: str = _flag(
        "auto",
        "Devices: auto takes all GPUs, or the one device there is; multi_worker: this is one of "
        "the machines that TF_CONFIG names.",
        ("auto", "mirrored", "one_device", "multi_worker"),
    )
    cpu_replicas: int = _flag(0, "Split the CPU into this many devices, to try a strategy.")
    seed: int = _flag(0, "Seed of weights, order, augmentation and dropout.")
    precision: str = _flag(
        "float32",
        "Precision of the encoders; head, attributions and updates stay float32.",
        PRECISIONS,
    )
    jit_compile: str = _flag(
        "auto",
        "Whether XLA compiles the steps, which takes up to a minute at first: auto means on GPUs, "
        "unless --deterministic; on CPUs steps are slower with it.",
        ("auto", "true", "false"),
    )
    nan: str = _flag(
        "stop",
        "If a loss or gradient is not finite: stop, naming step and clips; or skip and count "
        "the step.",
        ("stop", "skip"),
    )
    deterministic: bool = _flag(False, "Bit-exact repeats, also on GPUs; slower.")
    checkpoint_minutes: float = _flag(
        10.0, "Minutes between checkpoints within an epoch; 0: only at each epoch's end."
    )
    checkpoint_steps: int = _flag(0, "Steps between checkpoints within an epoch; 0 for none.")
    keep_checkpoints: int = _flag(3, "Checkpoints to keep beside the best one.")
    log_every: int = _flag(10, "Steps between two points in TensorBoard.")
    export: bool = _flag(True, "Write a SavedModel at the end.")
    overwrite: bool = _flag(False, "First delete what --model_dir holds of an earlier run.")

    def __post_init__(self) -> None:
        """Checks all values before any data is read.

        Raises:
            ValueError: A value is impossible; the message names the first one.
        """
        for field in dataclasses.fields(self):
            choices, value = choices_of(field), getattr(self, field.name)
            if field.name == "dataset":
                continue  # records may be of a set that this process does not know
            if choices and value not in choices:
                raise ValueError(f"--{field.name}={value}: choose one of {', '.join(choices)}")
        for name in (
            "learning_rate",
            "amr_learning_rate",
            "epochs",
            "batch_size",
            "log_every",
            "keep_checkpoints",
            "accumulate",
        ):
            _require(getattr(self, name) > 0, f"--{name}={getattr(self, name)} must be positive")
        for name in (
            "weight_decay", "hidden", "encoder_width", "video_depth", "cpu_replicas",
            "spec_augment_time", "spec_augment_freq", "audio_rate", "text_length", "feature_steps",
            "seed", "checkpoint_minutes",
            "checkpoint_steps", "clip_norm",
        ):  # fmt: skip
            _require(
                getattr(self, name) >= 0, f"--{name}={getattr(self, name)} must not be negative"
            )
        try:
            check_amr_weight(self.amr_weight)
        except ValueError as error:
            raise ValueError(f"--{error}") from error
        _require(0 <= self.momentum < 1, f"--momentum={self.momentum} is not in [0, 1)")
        _require(0 < self.crop_scale <= 1, f"--crop_scale={self.crop_scale} is not in (0, 1]")
        encoder_flags.check_kinds(self)
        self._check_data_service()
        name, options = parse_plugin(self.fusion, "--fusion")
        _require(name in HEADS, f"--fusion={name}: choose one of {', '.join(HEADS)}")
        check_options(f"--fusion: {name}", options, head_options(name))
        self.check_modalities()

    def _check_data_service(self) -> None:
        """Refuses malformed addresses, and flags that --data_service makes meaningless."""
        try:
            machines.parse(self.data_service)
        except ValueError as error:
            raise ValueError(f"--data_service: {error}") from error
        if not self.data_service:
            return
        _require(
            self.strategy != "multi_worker",
            "--data_service feeds one training process: with --strategy=multi_worker each machine "
            "reads its own shards",
        )
        _require(
            self.cache != "yes",
            "--cache=yes keeps decoded clips in this machine's memory, --data_service has others "
            "decode them in each epoch: leave one out",
        )
        _require(
            not self.skip_corrupt,
            "--skip_corrupt reads mended copies of shards that only this machine has: mend the "
            "records, or leave --data_service out",
        )

    def check_modalities(self) -> None:
        """Checks what depends on the modalities, if they are known.

        Raises:
            ValueError: The first value that is impossible.
        """
        if not self.modalities:
            return
        method = method_of(self.method, self.names)
        _require(
            method.trains or self.strategy != "multi_worker",
            f"--method={self.method} trains nothing: leave --strategy=multi_worker out",
        )
        unknown = set(self.frozen_encoders) - set(self.model_modalities)
        _require(
            not unknown, f"--frozen={self.frozen}: there is no {', '.join(sorted(unknown))} encoder"
        )
        _require(
            not self.teachers or TEACHERS in method.requires,
            f"--teachers: --method={self.method} learns from no teacher",
        )
        if self.hidden and len(self.model_modalities) > 1:
            fusion = parse_plugin(self.fusion, "--fusion")[0]
            check_options(f"--hidden={self.hidden}: {fusion}", ("hidden",), head_options(fusion))
        for name, asked in self.asked.items():
            if (kind := self.kinds[name]) in MODALITIES:  # else the records will tell
                known = [field.name for field in dataclasses.fields(MODALITIES[kind])]
                check_options(f"--modalities: {name}", asked.options, known)
        encoder_flags.check(self)
        # each refuses what it can't read
        self.ratio, self.given_teachers, self.make_method()

    @property
    def asked(self) -> dict[str, AskedModality]:
        """The modalities as `modalities` gives them, in their order."""
        return parse_modalities(self.modalities)

    @property
    def kinds(self) -> dict[str, str]:
        """Modality -> kind, of all modalities of the run; one without a kind is called like it."""
        return {name: asked.kind or name for name, asked in self.asked.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the run's modalities, in their order."""
        return tuple(self.kinds)

    @property
    def model_modalities(self) -> tuple[str, ...]:
        """The modalities that the model is made of: all, or the one that the method names."""
        return (self.method,) if self.method in self.names else self.names

    @property
    def frozen_encoders(self) -> tuple[str, ...]:
        """Modalities whose encoder training does not change."""
        return tuple(name for name in self.frozen.split(",") if name)

    @property
    def ratio(self) -> tuple[float, ...] | str:
        """The wanted ratio in the modalities' order, or the word for one that training finds."""
        if len(self.model_modalities) == 1:
            return (1.0,)
        if self.amr_ratio in MOVING_RATIOS:
            return self.amr_ratio
        return parse_ratio(self.amr_ratio, self.names)

    @property
    def amr_text(self) -> str:
        """The weight of AMR for a reader, e.g. `0.5` or `auto`."""
        weight = self.effective_amr_weight
        return weight if isinstance(weight, str) else f"{weight:g}"

    @property
    def effective_amr_weight(self) -> float | str:
        """The weight of AMR; 0 for one modality, which has no dominance, and without training."""
        method = method_of(self.method, self.names)
        return self.amr_weight if len(self.model_modalities) > 1 and method.trains else 0.0

    @property
    def given_teachers(self) -> dict[str, str]:
        """Modality -> directory of its finished unimodal run, as far as given."""
        given = dict(part.partition("=")[::2] for part in self.teachers.split(",") if part)
        known = all(name in self.names and directory for name, directory in given.items())
        example = ",".join(f"{name}=DIR" for name in self.names)
        _require(known, f"--teachers={self.teachers}: write {example}, or some of them")
        return given

    @property
    def wants_teachers(self) -> bool:
        """Whether the method learns from unimodal runs."""
        return TEACHERS in method_of(self.method, self.names).requires

    def teacher(self, modality: str) -> "Config":
        """The unimodal run with the same flags, e.g. `trainers.fit --method=audio`."""
        unimodal = dataclasses.replace(
            self, method=modality, method_options="", model_dir="", frozen="", teachers=""
        ).resolved()
        name = pathlib.Path(unimodal.model_dir).name
        beside = str(pathlib.Path(self.model_dir).parent / name)
        return dataclasses.replace(
            unimodal, model_dir=self.given_teachers.get(modality, beside), overwrite=False
        )

    def make_method(self, **supplied: Any) -> Any:
        """The method with its options; see `trainers.config.methods.make_method`."""
        return make_method(self.method, self.method_options, self.names, self.seed, **supplied)

    @property
    def data_name(self) -> str:
        """A name for the records, in the names of runs and tables."""
        known = DATASETS.get(self.dataset)
        if known is not None and not known.own:
            return self.dataset
        return pathlib.Path(self.data_dir).resolve().name or self.dataset

    @property
    def default_data_dir(self) -> str:
        """The directory of the records, unless `data_dir` names another one."""
        sized = self.dataset == DEMO and self.preset != "full"
        return f"data/{self.dataset}-{self.preset}" if sized else f"data/{self.dataset}"

    @property
    def suffix(self) -> str:
        """The preset's suffix of directories' names, where the records are of its size."""
        at_home = self.data_dir in ("", self.default_data_dir)
        sized = self.dataset == DEMO and self.preset != "full"
        return f"-{self.preset}" if sized and at_home else ""

    def located(self) -> "Config":
        """The configuration with `data_dir` filled in."""
        return dataclasses.replace(self, data_dir=self.data_dir or self.default_data_dir)

    def resolved(self) -> "Config":
        """The configuration with `data_dir` and, once the modalities are known, `model_dir`.

        Flags that a model of one modality has no use for are reset.
        """
        config = self.located()
        if self.modalities and len(self.model_modalities) == 1:
            defaults = {f.name: f.default for f in dataclasses.fields(self)}
            unused = {name: defaults[name] for name in UNUSED_BY_ONE_MODALITY}
            config = dataclasses.replace(config, **unused, amr_weight=0.0)
        model_dir = self.model_dir
        if self.modalities and not model_dir:
            run = f"{self.data_name}-{self.method}-amr{config.amr_text}-seed{self.seed}"
            model_dir = f"runs/{run}{self.suffix}"
        return dataclasses.replace(config, model_dir=model_dir)

    def to_json(self) -> dict[str, Any]:
        """The fields, for `config.json`."""
        return dataclasses.asdict(self)

    @classmethod
    def load(cls, model_dir: str | pathlib.Path) -> "Config":
        """The configuration of the run in a model directory.

        Raises:
            FileNotFoundError: There is no run.
            ValueError: Its description is damaged, or of another version of this program.
        """
        path = pathlib.Path(model_dir) / "config.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist: {model_dir} holds no run of `python -m trainers.fit`"
            )
        flags = read_flags(path)
        plugins = flags.get("plugins", "").split(",") + encoder_flags.modules(flags)
        plugins = list(dict.fromkeys(filter(None, plugins)))
        # a run may come from anywhere: its description must not choose what is imported
        if not all(map(is_trusted, plugins)):
            named = ",".join(plugins)
            raise ValueError(f"{model_dir} was trained with plug-ins: give --plugins={named}")
        return cls(**flags)


def read_flags(path: pathlib.Path) -> dict[str, Any]:
    """The flags in a run's `config.json`, each known and of its type.

    Raises:
        ValueError: The file is damaged, or of another version of this program.
    """
    try:
        flags = json.loads(path.read_text())["flags"]
        kinds = {field.name: field.type for field in dataclasses.fields(Config)}
        for name, value in flags.items():
            allowed = typing.get_args(kinds[name]) or (kinds[name],)
            if type(value) not in (*allowed, *([int] if float in allowed else [])):
                raise ValueError(f"{name} is {value!r}")
            if isinstance(value, int | float) and not -(2.0**63) < value < 2.0**63:
                raise ValueError(f"{name} is {value!r}")
    except (AttributeError, KeyError, TypeError, RecursionError, ValueError) as error:
        raise ValueError(f"{path} is not a description of a run: {str(error)[:200]}") from error
    return flags


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
