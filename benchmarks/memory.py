"""Adds up what a training step keeps for its backward pass: `python -m benchmarks.memory --help`.

No GPU is needed and no step is made. TensorFlow: the step is traced, and what operations of the
forward pass hand over to those of the backward pass is added up, each tensor once, whatever views
there are of it. PyTorch: the forward pass runs on tensors without content, and its hooks tell what
autograd saves. Weights are left out; gradients, workspaces of kernels and copies that a device's
layout needs come on top.
"""

import collections
import dataclasses
import math
from collections.abc import Sequence

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import tensorflow as tf
from absl import app, flags

from benchmarks import keras_steps, paired, sizes
from benchmarks.sizes import FULL, Sizes
from benchmarks.steps import PRECISIONS

VIEWS = {"Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PreventGradient"}
# what only needs to know a shape, and what is no tensor of the batch
SHAPES = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "BroadcastGradientArgs"}
WEIGHTS = {"ReadVariableOp", "Const"}
BACKWARD = "gradient_tape/"  # how TensorFlow names what a tape adds


@dataclasses.dataclass(frozen=True)
class Kept:
    """A tensor that the backward pass needs.

    Attributes:
        kind: String, the operation that made it.
        name: String, its name; empty where it has none.
        dtype: String, its type.
        shape: Integers, its shape.
        size: Integer, its bytes.
    """

    kind: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int


def of_graph(graph: tf.Graph) -> list[Kept]:
    """The tensors that the forward pass of a traced step keeps, the largest first.

    Tensors whose shape the graph doesn't know are left out: such are the reserves of batch
    normalisation, which are empty but for one of cuDNN's kernels.

    Args:
        graph: Graph, of a step with known shapes.
    """
    behind: set[str] = set()  # what follows from a gradient, e.g. sums of several
    found = {}
    for op in graph.get_operations():  # in an order in which inputs come first
        of_tape = op.name.startswith(BACKWARD)
        if of_tape or any(t.op.name in behind for t in op.inputs):
            behind.add(op.name)
        for t in op.inputs if of_tape and op.type not in SHAPES else ():
            t = _owner(t)
            known = t.dtype != tf.resource and t.shape.is_fully_defined()
            if t.op.name not in behind and t.op.type not in WEIGHTS and known:
                shape = tuple(t.shape)
                size = math.prod(shape) * t.dtype.size
                found[t.name] = Kept(t.op.type, t.op.name, t.dtype.name, shape, size)
    return sorted(found.values(), key=lambda kept: -kept.size)


def _owner(t: tf.Tensor) -> tf.Tensor:
    """The tensor whose memory a view shows."""
    while t.op.type in VIEWS:
        t = t.op.inputs[0]
    return t


def of_tensorflow(task: Sizes, precision: str, weight: float) -> list[Kept]:
    """The tensors that our step keeps."""
    keras.mixed_precision.set_global_policy(precision)
    model = keras_steps.ours(task, weight=weight)
    inputs = {m: tf.TensorSpec((task.batch, *s)) for m, s in task.shapes.items()}
    batch = inputs, tf.TensorSpec((task.batch,), tf.int64)
    return of_graph(tf.function(model.train_step).get_concrete_function(batch).graph)


def of_torch(task: Sizes, precision: str) -> list[Kept]:
    """The tensors that the forward pass of `benchmarks/torch_steps.py` keeps, on any CPU.

    Raises:
        ImportError: PyTorch is not installed.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    from benchmarks.torch_steps import resnet18

    found = {}

    def saved(t: torch.Tensor) -> torch.Tensor:
        storage = t.untyped_storage()
        made = type(t.grad_fn).__name__ if t.grad_fn is not None else "an input, or in place"
        kept = Kept(made, "", str(t.dtype), tuple(t.shape), storage.nbytes())
        found[storage._cdata] = storage, kept  # held, for else another may get its number
        return t

    halved = precision == "mixed_bfloat16"
    width = task.width or 64
    with FakeTensorMode():
        encoders = [resnet18(shape[-1], width) for shape in task.shapes.values()]
        head = torch.nn.Linear(16 * width, task.classes)
        images = [
            torch.empty(task.batch * math.prod(shape[:-3]), shape[-1], *shape[-3:-1])
            for shape in task.shapes.values()
        ]
        weights = [p for part in (*encoders, head) for p in part.parameters()]
        hooks = torch.autograd.graph.saved_tensors_hooks(saved, lambda t: t)
        with hooks, torch.autocast("cpu", torch.bfloat16, enabled=halved):
            encodings = [
                encoder(x).reshape(task.batch, -1, 8 * width).mean(1)
                for encoder, x in zip(encoders, images, strict=True)
            ]
            logits = head(torch.cat(encodings, 1))
            labels = torch.zeros(task.batch, dtype=torch.long)
            torch.nn.functional.cross_entropy(logits.float(), labels)
    own = {p.untyped_storage()._cdata for p in weights}
    tensors = [kept for number, (_, kept) in found.items() if number not in own]
    return sorted(tensors, key=lambda kept: -kept.size)


def report(found: Sequence[Kept], largest: int) -> str:
    """The bytes kept by operation and type, and the largest tensors, in Markdown."""
    groups = collections.defaultdict(list)
    for kept in found:
        groups[kept.kind, kept.dtype].append(kept.size)
    ordered = sorted(groups.items(), key=lambda group: -sum(group[1]))
    rows = [
        [kind, dtype, str(len(group)), f"{sum(group) / 1e6:.0f}"]
        for (kind, dtype), group in ordered
        if sum(group) >= 5e5
    ]
    rows.append(["all", "", str(len(found)), f"{sum(kept.size for kept in found) / 1e6:.0f}"])
    text = paired.table(("made by", "type", "tensors", "MB"), rows)
    if largest:
        rows = [
            [kept.name or kept.kind, kept.dtype, str(kept.shape), f"{kept.size / 1e6:.0f}"]
            for kept in found[:largest]
        ]
        text += "\n\n" + paired.table(("the largest", "type", "shape", "MB"), rows)
    return text


def main(_: list[str]) -> None:
    """The command."""
    values, task = flags.FLAGS, sizes.of_flags()
    found = of_tensorflow(task, values.precision, values.amr_weight)
    print(f"TensorFlow {tf.__version__}, {values.precision}\n\n{report(found, values.largest)}\n")
    try:
        found = of_torch(task, values.precision)
    except ImportError as error:
        print(f"PyTorch: {error}")
    else:
        print(f"PyTorch, {values.precision}\n\n{report(found, values.largest)}")


if __name__ == "__main__":
    sizes.define_flags(FULL)
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Keras' policy, and PyTorch's autocast.")
    flags.DEFINE_float("amr_weight", 1.0, "Weight of the regulariser.")
    flags.DEFINE_integer("largest", 12, "The largest tensors to list.")
    app.run(main)
