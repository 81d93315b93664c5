"""What a training run is: one frozen description, the flags being its skin.

A field's metadata holds the flag's help and, where there are few, the values it can take.
"""

import dataclasses
import json
import pathlib
from typing import Any

from amr_tf.attribution import TARGETS
from amr_tf.encoders import ENCODERS, IMAGE_ENCODERS
from amr_tf.features import AudioConfig, VideoConfig
from amr_tf.heads import HEADS
from amr_tf.methods import METHODS
from amr_tf.methods.ogm import SCORES
from amr_tf.methods.umt import UMT_TARGETS
from trainers.config.parsing import parse_options, parse_ratio

MODALITIES = ("audio", "video")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
DATASETS = ("synthetic", "cremad", "vggsound")
METHOD_NAMES = (*(name for name in METHODS if name != "unimodal"), *MODALITIES)
OPTIMIZERS = ("sgd", "adam", "adamw", "lamb")


# Flags about fusion, attribution and the other methods: two runs of one modality that differ in
# them alone are the same run.
UNUSED_BY_ONE_MODALITY = (
    "amr_ratio", "amr_target", "amr_optimizer", "amr_learning_rate",
    "fusion", "teachers", "umt_target", "ogm_score",
)  # fmt: skip


def _flag(default: Any, text: str, choices: tuple[str, ...] | None = None) -> Any:
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices})


@dataclasses.dataclass(frozen=True)
class Config:
    """A training run; `trainers.fit --help` explains each field."""

    # what to learn from, and where results go
    dataset: str = _flag("synthetic", "Data set. Synthetic clips are made on first use.", DATASETS)
    data_dir: str = _flag("", "Directory of the records (default: data/DATASET[-PRESET]).")
    model_dir: str = _flag(
        "", "Where the run is kept (default: runs/DATASET-METHOD-amrWEIGHT-seedSEED[-PRESET])."
    )
    preset: str = _flag(
        "full",
        "quick: half of the synthetic data in smaller batches, a minute or two.",
        ("full", "quick"),
    )
    recipe: str = _flag(
        "demo",
        "Defaults of features, encoders and optimizer: demo for the synthetic clips on a CPU; "
        "ogm_cremad, ogm_vggsound as published with OGM. A flag that is given wins.",
        ("demo", "ogm_cremad", "ogm_vggsound"),
    )
    # what to train
    method: str = _flag(
        "naive", "Training method; audio and video train that one alone.", METHOD_NAMES
    )
    method_options: str = _flag("", "The method's own options, `rate=0.3,seed=1` say.")
    teachers: str = _flag(
        "",
        "Finished unimodal runs for umt and ume, `audio=DIR,video=DIR`; those not given are "
        "trained first, beside --model_dir, and kept.",
    )
    umt_target: str = _flag("encodings", "What umt's student copies.", UMT_TARGETS)
    ogm_score: str = _flag(
        "linear", "How ogm and ogm_ge score a modality; linear: additive heads only.", SCORES
    )
    fusion: str = _flag("concat", "Fusion head.", tuple(HEADS))
    hidden: int = _flag(0, "Units of the head's hidden layer; 0 for a linear head.")
    audio_encoder: str = _flag("small", "Audio encoder.", tuple(IMAGE_ENCODERS))
    video_encoder: str = _flag("small", "Video encoder.", tuple(ENCODERS))
    encoder_width: int = _flag(0, "Channels of the encoders' first stage; 0 for their default.")
    video_depth: int = _flag(0, "Layers of c3d or p3d; 0 for their default.")
    audio_weights: str = _flag("", "Saved encoder to start from (.keras or .weights.h5).")
    video_weights: str = _flag("", "Saved encoder to start from (.keras or .weights.h5).")
    frozen: str = _flag("", "Encoders that training leaves alone, `audio,video` say.")
    # attribution regularisation
    amr_weight: float = _flag(1.0, "Weight of the attribution regulariser; 0 trains without AMR.")
    amr_ratio: str = _flag("1:1", "Wanted ratio of attributions, `1:1` or `audio=1,video=2`.")
    amr_target: str = _flag("probability", "What is attributed.", TARGETS)
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
    clip_norm: float = _flag(
        0.0, "Clip the task's gradient, summed over all devices, to this norm; 0 for never."
    )
    accumulate: int = _flag(
        1, "Encoders take a batch in this many parts: less memory, the same results, slower."
    )
    # features and augmentation
    audio_rate: int = _flag(16_000, "Samples a second that the records hold.")
    audio_seconds: float = _flag(1.0, "Length of sound that the model hears.")
    tile_seconds: float = _flag(0.0, "Repeat or cut sound to this length first; 0: as it is.")
    fft_length: int = _flag(256, "Samples in a window of the short-time Fourier transform.")
    hop: int = _flag(128, "Samples between two windows of the short-time Fourier transform.")
    frames: int = _flag(3, "Frames of a clip that the model sees.")
    frame_size: int = _flag(64, "Height and width of the frames, pixels.")
    crop_scale: float = _flag(0.6, "Random resized crops cover at least this part of a frame.")
    flip: bool = _flag(True, "Mirror half of the training clips.")
    spec_augment_time: int = _flag(0, "Widest SpecAugment time mask, frames (tensorflow-io).")
    spec_augment_freq: int = _flag(0, "Widest SpecAugment frequency mask, bins (tensorflow-io).")
    cache: str = _flag(
        "auto", "Keep decoded clips in memory; auto: where they fit.", ("auto", "yes", "no")
    )
    skip_corrupt: bool = _flag(
        False, "Skip and count corrupt records, whose shards are checked first; else stop at one."
    )
    # the machine
    strategy: str = _flag(
        "auto",
        "Devices: auto takes all GPUs, or the one device there is; multi_worker: this is one of "
        "the machines that TF_CONFIG names.",
        ("auto", "mirrored", "one_device", "multi_worker"),
    )
    cpu_replicas: int = _flag(0, "Split the CPU into this many devices, to try a strategy.")
    seed: int = _flag(0, "Of weights, order, augmentation and dropout.")
    precision: str = _flag(
        "float32", "Of the encoders; head, attributions and updates stay float32.", PRECISIONS
    )
    jit_compile: bool = _flag(
        False, "Compile the training step by XLA; for one device. Slower on CPUs."
    )
    nan: str = _flag(
        "stop",
        "At a loss or gradient that is not finite: stop, naming step and clips; or skip and count "
        "the step.",
        ("stop", "skip"),
    )
    deterministic: bool = _flag(False, "Bit-exact repeats, also on GPUs; slower.")
    checkpoint_minutes: float = _flag(
        10.0, "Minutes between checkpoints within an epoch; 0: at each epoch's end alone."
    )
    checkpoint_steps: int = _flag(0, "Steps between checkpoints within an epoch; 0 for none.")
    keep_checkpoints: int = _flag(3, "Checkpoints to keep beside the best one.")
    log_every: int = _flag(10, "Steps between two points in TensorBoard.")
    export: bool = _flag(True, "Write a SavedModel at the end.")
    overwrite: bool = _flag(False, "Delete what --model_dir holds of an earlier run first.")

    def __post_init__(self) -> None:
        """Checks all values before any data is read.

        Raises:
            ValueError: The first that is impossible.
        """
        for field in dataclasses.fields(self):
            choices, value = field.metadata["choices"], getattr(self, field.name)
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
            "amr_weight", "weight_decay", "hidden", "encoder_width", "video_depth", "cpu_replicas",
            "spec_augment_time", "spec_augment_freq", "seed", "checkpoint_minutes",
            "checkpoint_steps", "clip_norm",
        ):  # fmt: skip
            _require(
                getattr(self, name) >= 0, f"--{name}={getattr(self, name)} must not be negative"
            )
        _require(0 <= self.momentum < 1, f"--momentum={self.momentum} is not in [0, 1)")
        _require(0 < self.crop_scale <= 1, f"--crop_scale={self.crop_scale} is not in (0, 1]")
        _require(
            METHODS.get(self.method, METHODS["naive"]).trains or self.strategy != "multi_worker",
            f"--method={self.method} trains nothing: leave --strategy=multi_worker out",
        )
        unknown = set(self.frozen_encoders) - set(self.modalities)
        _require(
            not unknown, f"--frozen={self.frozen}: there is no {', '.join(sorted(unknown))} encoder"
        )
        for modality in MODALITIES:
            path = getattr(self, f"{modality}_weights")
            _require(
                not path or pathlib.Path(path).is_file(),
                f"--{modality}_weights={path}: no such file",
            )
        # each refuses what it can't read
        self.ratio, self.audio, self.video, self.given_teachers, self.make_method()

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the model is made of."""
        return (self.method,) if self.method in MODALITIES else MODALITIES

    @property
    def frozen_encoders(self) -> tuple[str, ...]:
        """Modalities whose encoder training leaves alone."""
        return tuple(name for name in self.frozen.split(",") if name)

    @property
    def ratio(self) -> tuple[float, ...]:
        """The wanted ratio in the modalities' order."""
        return parse_ratio(self.amr_ratio, MODALITIES)

    @property
    def effective_amr_weight(self) -> float:
        """0 for one modality, which has no dominance, and where nothing is trained."""
        if len(self.modalities) == 1 or not METHODS[self.method].trains:
            return 0.0
        return self.amr_weight

    @property
    def audio(self) -> AudioConfig | None:
        """The audio input, None without one."""
        if "audio" not in self.modalities:
            return None
        return AudioConfig(
            self.audio_rate, self.audio_seconds, self.tile_seconds, self.fft_length, self.hop
        )

    @property
    def video(self) -> VideoConfig | None:
        """The video input, None without one."""
        return VideoConfig(self.frames, self.frame_size) if "video" in self.modalities else None

    @property
    def given_teachers(self) -> dict[str, str]:
        """Modality -> directory of its finished unimodal run, as far as given."""
        given = dict(part.partition("=")[::2] for part in self.teachers.split(",") if part)
        known = all(name in MODALITIES and directory for name, directory in given.items())
        _require(known, f"--teachers={self.teachers}: write audio=DIR,video=DIR, or one of them")
        return given

    def teacher(self, modality: str) -> "Config":
        """The unimodal run with the same flags: `trainers.fit --method=audio`, say."""
        unimodal = dataclasses.replace(
            self, method=modality, method_options="", model_dir="", frozen=""
        ).resolved()
        name = pathlib.Path(unimodal.model_dir).name
        beside = str(pathlib.Path(self.model_dir).parent / name)
        return dataclasses.replace(
            unimodal, model_dir=self.given_teachers.get(modality, beside), overwrite=False
        )

    def make_method(self, **supplied: Any) -> Any:
        """The method with its options.

        Args:
            **supplied: What only the data or other runs can tell, `class_counts` and `teachers`;
                for the methods that want it.

        Raises:
            ValueError: An option that the method doesn't have, or a value that it refuses.
        """
        if self.method in MODALITIES:
            return METHODS["unimodal"](self.method)
        known = METHODS[self.method]().get_config()
        options = {
            "seed": self.seed,
            "target": self.umt_target,
            "score": self.ogm_score,
            **supplied,
        }
        options = {name: value for name, value in options.items() if name in known}
        options |= parse_options(self.method_options)
        try:
            return METHODS[self.method](**options)
        except TypeError as error:
            raise ValueError(
                f"--method_options={self.method_options}: {self.method} has the options "
                f"{', '.join(known) or 'none'}"
            ) from error

    def resolved(self) -> "Config":
        """With `data_dir` and `model_dir` filled in; what one modality has no use for is reset."""
        config = self
        if len(self.modalities) == 1:
            defaults = {f.name: f.default for f in dataclasses.fields(self)}
            unused = {name: defaults[name] for name in UNUSED_BY_ONE_MODALITY}
            config = dataclasses.replace(self, **unused, amr_weight=0.0)
        suffix = "" if self.preset == "full" else f"-{self.preset}"
        run = f"{self.dataset}-{self.method}-amr{self.effective_amr_weight:g}-seed{self.seed}"
        return dataclasses.replace(
            config,
            data_dir=self.data_dir or f"data/{self.dataset}{suffix}",
            model_dir=self.model_dir or f"runs/{run}{suffix}",
        )

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
        return cls(**read_flags(path))


def read_flags(path: pathlib.Path) -> dict[str, Any]:
    """The flags in a run's `config.json`, each known and of its type.

    Raises:
        ValueError: The file is damaged, or of another version of this program.
    """
    try:
        flags = json.loads(path.read_text())["flags"]
        kinds = {field.name: field.type for field in dataclasses.fields(Config)}
        for name, value in flags.items():
            allowed = {kinds[name], int} if kinds[name] is float else {kinds[name]}
            if type(value) not in allowed:
                raise ValueError(f"{name} is {value!r}")
            if isinstance(value, int | float) and not -(2.0**63) < value < 2.0**63:
                raise ValueError(f"{name} is {value!r}")
    except (AttributeError, KeyError, TypeError, RecursionError, ValueError) as error:
        raise ValueError(f"{path} is no description of a run: {str(error)[:200]}") from error
    return flags


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
