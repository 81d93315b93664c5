"""The training step against an independent PyTorch one: `python -m benchmarks.torch_step --help`.

Two processes, one with TensorFlow and one with PyTorch, take turns, a step each: the same two
ResNet-18, sizes, threads and float32, naive fusion by one linear layer, SGD with momentum, with
and without AMR. The PyTorch step is written from the paper's formulas, as its users would write it.
"""

import multiprocessing
import time
from multiprocessing.connection import Connection

import numpy as np
from absl import app, flags

from benchmarks import paired

CLASSES = 10
flags.DEFINE_integer("pixels", 112, "Height and width of the frames.")
flags.DEFINE_list("spectrogram", ["188", "257"], "Time steps and frequency bins.")
flags.DEFINE_integer("batch", 16, "Clips a step.")
flags.DEFINE_integer("rounds", 15, "Rounds; in each, every model makes one step.")
flags.DEFINE_integer("threads", 2, "Of each framework.")


def batch(settings: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spectrograms `[B, T, F, 1]`, frames `[B, 1, H, W, 3]`, class ids `[B]`."""
    rng = np.random.default_rng(0)
    size, (t, f), n = settings["pixels"], settings["spectrogram"], settings["batch"]
    audio = rng.normal(size=(n, t, f, 1)).astype(np.float32)
    video = rng.normal(size=(n, 1, size, size, 3)).astype(np.float32)
    return audio, video, rng.integers(0, CLASSES, n)


def tensorflow_steps(settings: dict) -> dict:
    """Weight -> a function that makes one step and returns the loss."""
    from tfrecords import quiet  # noqa: F401  isort: skip
    import keras
    import tensorflow as tf

    import amr_tf
    from amr_tf.encoders import build_encoder

    tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(settings["threads"])
    audio, video, labels = batch(settings)
    data = {"audio": tf.constant(audio), "video": tf.constant(video)}, tf.constant(labels)

    def make(weight: float):
        encoders = {
            m: build_encoder("resnet18", m, tuple(data[0][m].shape[1:])) for m in ("audio", "video")
        }
        shapes = [tuple(e.output_shape[1:]) for e in encoders.values()]
        model = amr_tf.MultimodalClassifier(encoders, amr_tf.heads.concat(shapes, CLASSES))
        model.compile(keras.optimizers.SGD(0.001, momentum=0.9), amr_weight=weight)
        step = tf.function(model.train_step)
        return lambda: float(step(data)["loss"])

    return {weight: make(weight) for weight in (0.0, 1.0)}


def torch_steps(settings: dict) -> dict:
    """Weight -> a function that makes one step and returns the loss."""
    import torch

    torch.set_num_threads(settings["threads"])
    torch.manual_seed(0)
    audio, video, labels = batch(settings)
    audio = torch.from_numpy(audio).permute(0, 3, 1, 2).contiguous()
    video = torch.from_numpy(video[:, 0]).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(labels)

    def make(weight: float):
        encoders = [_torch_resnet18(torch, channels) for channels in (1, 3)]
        head = torch.nn.Linear(1024, CLASSES)
        everything = torch.nn.ModuleList([*encoders, head])
        everything.train()
        task = torch.optim.SGD(everything.parameters(), lr=0.001, momentum=0.9)
        amr = torch.optim.SGD(head.parameters(), lr=0.1)

        def step() -> float:
            task.zero_grad(set_to_none=True)
            encodings = [e(x) for e, x in zip(encoders, (audio, video), strict=True)]
            logits = head(torch.cat(encodings, 1))
            loss = torch.nn.functional.cross_entropy(logits, labels)
            if weight:
                inputs = [e.detach().requires_grad_() for e in encodings]
                z = head(torch.cat(inputs, 1))
                top = torch.nn.functional.one_hot(z.argmax(1), CLASSES).bool()
                others = z.masked_fill(top, float("-inf"))
                score = (z[top] - others.logsumexp(1)).sum()
                gradients = torch.autograd.grad(score, inputs, create_graph=True)
                norms = torch.stack(
                    [(g * e).norm(dim=1) for g, e in zip(gradients, inputs, strict=True)], 1
                )
                shares = (norms / norms.sum(1, keepdim=True)).mean(0)
                penalty = weight * (shares - 0.5).abs().sum()
                of_head = torch.autograd.grad(penalty, list(head.parameters()), allow_unused=True)
            loss.backward()
            task.step()
            if weight:
                for p, g in zip(head.parameters(), of_head, strict=True):
                    p.grad = g
                amr.step()
            return loss.item()

        return step

    return {weight: make(weight) for weight in (0.0, 1.0)}


def _torch_resnet18(torch, channels: int):
    """ResNet-18 (He et al. 2016) to its 512 pooled features."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.path = nn.Sequential(
                nn.Conv2d(before, after, 3, stride, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
                nn.Conv2d(after, after, 3, 1, 1, bias=False),
                nn.BatchNorm2d(after),
            )
            self.shortcut = nn.Identity()
            if stride > 1 or before != after:
                projection = nn.Conv2d(before, after, 1, stride, bias=False)
                self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(after))

        def forward(self, x):
            return torch.relu(self.path(x) + self.shortcut(x))

    layers = [
        nn.Conv2d(channels, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    before = 64
    for after, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(before, after, stride), Block(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


MAKERS = {"TensorFlow": tensorflow_steps, "PyTorch": torch_steps}


def serve(name: str, settings: dict, connection: Connection) -> None:
    """Makes a step whenever it is asked for one, and answers how long it took."""
    steps = MAKERS[name](settings)
    for step in steps.values():
        step()
        step()
    connection.send("ready")
    while (weight := connection.recv()) is not None:
        start = time.perf_counter()
        steps[weight]()
        connection.send(time.perf_counter() - start)


def main(_: list[str]) -> None:
    """The command."""
    values = flags.FLAGS
    settings = {
        "pixels": values.pixels,
        "spectrogram": tuple(map(int, values.spectrogram)),
        "batch": values.batch,
        "threads": values.threads,
    }
    context = multiprocessing.get_context("spawn")
    connections = {}
    for name in MAKERS:
        connections[name], theirs = context.Pipe()
        context.Process(target=serve, args=(name, settings, theirs), daemon=True).start()
        if connections[name].recv() != "ready":
            raise RuntimeError(f"{name} did not start")
    turns = [(name, weight) for name in MAKERS for weight in (0.0, 1.0)]
    seconds: dict = {turn: [] for turn in turns}
    for r in paired.rounds(values.rounds):
        for turn in turns[r % 4 :] + turns[: r % 4]:
            name, weight = turn
            connections[name].send(weight)
            seconds[turn].append(connections[name].recv())
    for connection in connections.values():
        connection.send(None)
    rows = []
    for weight, title in ((0.0, "without AMR"), (1.0, "with AMR")):
        ours, theirs = seconds["TensorFlow", weight], seconds["PyTorch", weight]
        rows.append(
            [title, f"{1000 * np.median(ours):.0f}", f"{1000 * np.median(theirs):.0f}",
             paired.ratio(ours, theirs)]
        )  # fmt: skip
    for name in MAKERS:
        rows.append([f"with AMR / without, {name}", "", "",
                     paired.ratio(seconds[name, 1.0], seconds[name, 0.0])])  # fmt: skip
    import torch

    print(f"{paired.machine()}, PyTorch {torch.__version__}; {values.rounds} rounds\n")
    print(paired.table(("", "TensorFlow, ms", "PyTorch, ms", "ratio"), rows))


if __name__ == "__main__":
    app.run(main)
