"""A `Config` -> data, strategy, model and optimizers."""

import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

import amr_tf
from amr_tf import _compat, _schedules
from amr_tf._sgd import SGD
from amr_tf.encoders import build_encoder
from amr_tf.heads import build_head
from amr_tf.modalities import Augment, FeaturesLayer, Modality
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import find
from tfrecords.description import DESCRIPTION
from tfrecords.reading import machines
from tfrecords.reading.data_service import ServedPipeline
from tfrecords.reading.pipeline import Pipeline
from trainers.config.encoder_flags import encoder_of
from trainers.config.flags import makes_itself
from trainers.config.model_inputs import task_of_records
from trainers.config.parsing import parse_plugin
from trainers.config.run_config import Config
from trainers.running import multi_worker


def setup(config: Config) -> None:
    """Sets up the devices, before TensorFlow touches any, and seeds everything."""
    if config.cpu_replicas > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * config.cpu_replicas
        tf.config.set_logical_device_configuration(cpu, logical)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(config.seed)
    keras.mixed_precision.set_global_policy(config.precision)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()


def strategy(config: Config) -> tf.distribute.Strategy:
    """The strategy over TF_CONFIG's machines, over this machine's devices, or for its only one.

    Raises:
        ValueError: There are more devices than clips in a batch.
    """
    if config.strategy == "multi_worker":
        made = multi_worker.strategy()
        devices = [made.extended.worker_devices[0]] * made.num_replicas_in_sync
    else:
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        devices = [device.name for device in devices]
        one = config.strategy == "one_device" or (config.strategy == "auto" and len(devices) == 1)
        devices = devices[:1] if one else devices
        made = tf.distribute.OneDeviceStrategy if one else tf.distribute.MirroredStrategy
        made = made(devices[0] if one else devices)
    _check_devices(config, len(devices))
    return made


def _check_devices(config: Config, devices: int) -> None:
    if devices * config.accumulate > config.batch_size:
        parts = f" in {config.accumulate} parts each" if config.accumulate > 1 else ""
        raise ValueError(
            f"--batch_size={config.batch_size} is less than the {devices} devices{parts}"
        )


def make_records(config: Config) -> None:
    """Makes the records of a set that a first run makes itself, unless they are there."""
    records = pathlib.Path(config.data_dir)
    if (records / DESCRIPTION).exists() or not makes_itself(config):
        return
    print(f"Making the {config.dataset} clips and their records in {records}, once.", flush=True)
    builder.build(
        BuildOptions(
            dataset=find(config.dataset)().demo(config.preset),
            source=str(records / "clips"),
            output=str(records),
            audio_rate=config.audio_rate or BuildOptions.audio_rate,
        )
    )


def pipeline(
    config: Config, inputs: Mapping[str, Modality], worker: tuple[int, int] = (0, 1)
) -> Pipeline:
    """The data of a run, or one worker's part of it.

    Args:
        config: Config of the run.
        inputs: Mapping, modality -> the model's input.
        worker: Two integers, the index of this worker and the number of workers.
    """
    make = Pipeline
    if config.data_service:
        make = functools.partial(ServedPipeline, addresses=machines.parse(config.data_service))
    return make(
        config.data_dir,
        inputs,
        batch_size=config.batch_size,
        seed=config.seed,
        cache=config.cache,
        augment=_augment(config),
        skip_corrupt=config.skip_corrupt,
        worker=worker,
    )


def _augment(config: Config) -> Augment:
    return Augment(
        crop_scale=(config.crop_scale, 1.0),
        flip=config.flip,
        spec_augment_time=config.spec_augment_time,
        spec_augment_freq=config.spec_augment_freq,
    )


def model(
    config: Config,
    data: Pipeline,
    teachers: Mapping[str, amr_tf.MultimodalClassifier] | None = None,
) -> amr_tf.MultimodalClassifier:
    """The compiled model; call it in the strategy's scope.

    Args:
        config: Config of the run.
        data: Pipeline, the run's data.
        teachers: Mapping, modality -> trained unimodal model, for the methods that require them.
    """
    counts = data.info.splits["train"].class_counts
    method = config.make_method(class_counts=counts, teachers=teachers)

    def build() -> tuple[dict[str, keras.Model], keras.Model]:
        encoders = {name: encoder(config, name, m) for name, m in data.inputs.items()}
        shapes = [tuple(encoder.output_shape[1:]) for encoder in encoders.values()]
        fusion, options = parse_plugin(config.fusion, "--fusion")
        if config.hidden:
            options.setdefault("hidden", config.hidden)
        head = build_head(fusion, shapes, len(data.info.classes), seed=config.seed, **options)
        return encoders, head

    encoders, head = method.parts(config.model_modalities, build)
    features = {
        name: FeaturesLayer(modality, _augment(config), config.seed, name=f"{name}_features")
        for name, modality in data.inputs.items()
    }
    task = task_of_records(data.info)
    classifier = amr_tf.MultimodalClassifier(encoders, head, method, features, task)
    rate = learning_rate(config, data.steps_per_epoch)
    options: dict[str, Any] = {}
    if config.effective_amr_weight:
        amr_rate = _schedules.rescaled(rate, config.amr_learning_rate)
        # neither momentum nor weight decay: R has no curvature to smooth
        options["amr_ratio"] = config.ratio
        options["amr_scope"] = config.amr_scope
        options["amr_optimizer"] = optimizer(config.amr_optimizer, amr_rate)
    classifier.compile(
        optimizer(config.optimizer, rate, config.momentum, config.weight_decay, config.clip_norm),
        accumulate=config.accumulate,
        skip_nonfinite=config.nan == "skip",
        jit_compile=_jit_compile(config),
        amr_weight=config.effective_amr_weight,
        amr_target=config.amr_target if config.amr_target in task.targets else None,
        amr_measure=config.amr_measure,
        **options,
    )
    return classifier


def _jit_compile(config: Config) -> bool | str:
    if config.jit_compile == "auto":
        return False if config.deterministic else "auto"  # XLA chooses its kernels by the clock
    return config.jit_compile == "true"


def encoder(config: Config, name: str, modality: Modality) -> keras.Model:
    """One modality's encoder.

    Args:
        config: Config of the run.
        name: String, the modality's name.
        modality: Modality, its input.
    """
    chosen, options = encoder_of(config, name)
    return build_encoder(
        chosen,
        name,
        modality.shape,
        seed=config.seed,
        frozen=name in config.frozen_encoders,
        given=modality.given_to_encoder,
        **options,
    )


def learning_rate(config: Config, steps_per_epoch: int) -> Any:
    """The task optimizer's rate: a number or a Keras schedule."""
    steps = steps_per_epoch * config.epochs
    if config.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    if config.schedule == "step":
        rates = [config.learning_rate, 0.1 * config.learning_rate]
        # Keras keeps a rate up to and including its boundary
        boundary = max(1, round(0.7 * steps)) - 1
        return keras.optimizers.schedules.PiecewiseConstantDecay([boundary], rates)
    return config.learning_rate


def optimizer(
    name: str, rate: Any, momentum: float = 0.0, weight_decay: float = 0.0, clip_norm: float = 0.0
) -> Any:
    """One of `OPTIMIZERS`; the train step hands it the gradient summed over all devices."""
    options = {"weight_decay": weight_decay or None, "global_clipnorm": clip_norm or None}
    if name == "lamb":
        return _compat.lamb(rate, **options)
    if name == "adam":
        return keras.optimizers.Adam(rate, global_clipnorm=clip_norm or None)
    if name == "adamw":
        return keras.optimizers.AdamW(rate, **{**options, "weight_decay": weight_decay})
    return SGD(rate, momentum=momentum, **options)
