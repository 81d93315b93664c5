"""Training steps in TensorFlow: ours, and Keras' own of the same encoders and head."""

from collections.abc import Callable
from typing import Any

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import tensorflow as tf

import amr_tf
from amr_tf import heads, methods
from amr_tf.encoders import build_encoder
from benchmarks import baseline
from benchmarks.sizes import Sizes
from benchmarks.steps import Candidate, Steps


class KerasSteps(Steps):
    """Steps on one random batch.

    Args:
        sizes: Sizes, of the task.
        threads: Integer, the threads of and between operations; 0 for TensorFlow's choice.
    """

    def __init__(self, sizes: Sizes, threads: int = 0) -> None:
        super().__init__()
        tf.get_logger().setLevel("ERROR")  # it warns of the first steps, each traced twice
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        tf.config.experimental.enable_tensor_float_32_execution(True)
        self.gpu = use_gpu()
        self.sizes = sizes
        inputs, labels = sizes.numbers()
        self.batch_bytes = sum(x.nbytes for x in inputs.values())
        self.data = {m: tf.constant(x) for m, x in inputs.items()}, tf.constant(labels)

    def build(self, name: Candidate) -> Callable[[], tf.Tensor]:
        """A step of a candidate."""
        keras.mixed_precision.set_global_policy(name.precision)
        if name.kind == "plain":
            return self.step_of(plain(self.sizes, name.compiled))
        weight = float(name.kind == "with AMR")
        return self.step_of(ours(self.sizes, weight=weight, xla=name.compiled))

    def step_of(self, made: keras.Model) -> Callable[[], tf.Tensor]:
        """A step of a compiled model."""
        step = tf.function(made.train_step, jit_compile=made.jit_compile)
        return lambda: step(self.data)["loss"]

    def wait(self, loss: Any) -> None:
        """Fetches the loss."""
        float(loss)

    def versions(self) -> str:
        """TensorFlow and Keras."""
        return f"TensorFlow {tf.__version__}, Keras {keras.__version__}"

    def held(self) -> int:
        """The bytes in use, by TensorFlow's allocator."""
        return tf.config.experimental.get_memory_info("GPU:0")["current"] if self.gpu else 0

    def peak(self) -> int:
        """The largest number of bytes in use, by TensorFlow's allocator."""
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] if self.gpu else 0

    def forget_peak(self) -> None:
        """Begins a new maximum in TensorFlow's allocator."""
        if self.gpu:
            tf.config.experimental.reset_memory_stats("GPU:0")


def use_gpu() -> str:
    """Lets the GPU's memory grow, for other processes use it too; its name, or "" without one."""
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        return ""
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")


def ours(
    sizes: Sizes,
    method: methods.Method | None = None,
    weight: float | str = 0.0,
    xla: bool = False,
    **amr: str,
) -> keras.Model:
    """A compiled classifier of sound and video; `amr` are further options of AMR."""
    method = method or methods.Naive()
    encoders, head = method.parts(tuple(sizes.shapes), lambda: parts(sizes))
    made = amr_tf.MultimodalClassifier(encoders, head, method)
    made.compile(optimizer(), amr_weight=weight, jit_compile=xla, **amr)
    return made


def plain(sizes: Sizes, xla: bool = False) -> keras.Model:
    """A plain Keras model of the same parts."""
    return baseline.plain_keras(*parts(sizes), optimizer(), xla)


def parts(sizes: Sizes) -> tuple[dict[str, keras.Model], keras.Model]:
    """New encoders by modality, and a head for them."""
    encoders = {m: encoder(sizes, m) for m in sizes.shapes}
    encodings = [tuple(e.output_shape[1:]) for e in encoders.values()]
    return encoders, heads.concat(encodings, sizes.classes)


def encoder(sizes: Sizes, modality: str) -> keras.Model:
    """One modality's encoder."""
    options = {"width": sizes.width} if sizes.width else {}
    return build_encoder(sizes.encoder, modality, sizes.shapes[modality], **options)


def optimizer() -> keras.optimizers.Optimizer:
    """The task's optimizer, the same for all."""
    return keras.optimizers.SGD(0.001, momentum=0.9)
