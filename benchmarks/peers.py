"""Update rules against PyTorch, as their authors state them: `python -m benchmarks.peers`.

On random tensors, of one small model with given weights: OGM-GE's coefficients, MMPareto's weights
and gradient, PMR's prototypes, distances and coefficients. PyTorch's side is written from the
papers and the published update rules, with autograd and in float64, and shares no code with the
library. Prints the largest difference of each, and fails where one is above 1e-5 of the values.
Needs `.[bench]`.
"""

import sys
from collections.abc import Iterator

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import numpy as np
import tensorflow as tf
import torch
from absl import app, flags

import amr_tf
from amr_tf import methods
from amr_tf.encoders import mlp

flags.DEFINE_integer("seed", 0, "The seed of weights, inputs and labels.")
flags.DEFINE_integer("trials", 20, "Random problems a rule.", lower_bound=1)

BATCH, CLASSES, WIDTHS = 32, 5, {"audio": 24, "video": 40}
ALPHA, GAMMA, MOMENTUM = 0.8, 1.5, 0.5
TOLERANCE = 1e-5

Pair = tuple[np.ndarray, np.ndarray]  # ours, and PyTorch's


class Problem:
    """A model of two encoders and one linear layer, and a batch."""

    def __init__(self, method: methods.Method, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.labels = rng.integers(0, CLASSES, BATCH)
        strength = dict(zip(WIDTHS, rng.uniform(0.1, 3, 2), strict=True))
        self.inputs = {
            m: (rng.normal(size=(BATCH, n)) + strength[m] * np.eye(CLASSES, n)[self.labels]).astype(
                np.float32
            )
            for m, n in WIDTHS.items()
        }
        encoders = {m: mlp((n,), width=16, depth=1, seed=seed) for m, n in WIDTHS.items()}
        head = amr_tf.heads.concat([(16,), (16,)], CLASSES, seed=seed)
        self.model = amr_tf.MultimodalClassifier(encoders, head, method)
        self.model.compile(keras.optimizers.SGD(0.1), amr_weight=0, run_eagerly=True)
        batch = {m: tf.constant(x) for m, x in self.inputs.items()}
        self.encodings = [e.numpy() for e in self.model.encode(batch)]
        self.context = amr_tf.methods.Context.of(self.model, (batch, self.labels), training=True)
        self.context.encodings = [tf.constant(e) for e in self.encodings]
        self.batch = batch

    def torch_encodings(self) -> list[torch.Tensor]:
        """The encodings in float64."""
        return [torch.tensor(e, dtype=torch.float64) for e in self.encodings]

    def torch_labels(self) -> torch.Tensor:
        """The class ids."""
        return torch.tensor(self.labels)


def ogm_ge(seed: int) -> Iterator[tuple[str, Pair]]:
    """Scores by the head's own rows of weights, with half of its bias each."""
    problem = Problem(methods.OGMGE(alpha=ALPHA), seed)
    ours = problem.model.method.coefficients(problem.context).numpy()
    weight, bias = (torch.tensor(w, dtype=torch.float64) for w in problem.model.head.get_weights())
    rows = weight.split([16, 16])
    scores = []
    for e, w in zip(problem.torch_encodings(), rows, strict=True):
        probability = torch.softmax(e @ w + bias / 2, dim=1)
        scores.append(probability[torch.arange(BATCH), problem.torch_labels()].sum())
    quotient = scores[0] / scores[1]
    theirs = []
    for rho in (quotient, 1 / quotient):
        theirs.append(1 - torch.tanh(ALPHA * torch.relu(rho)) if rho > 1 else torch.ones(()))
    yield "OGM-GE, coefficients k", (ours, torch.stack([t.double() for t in theirs]).numpy())


def mmpareto(seed: int) -> Iterator[tuple[str, Pair]]:
    """The least norm between two gradients, found by descent on an angle."""
    rng = np.random.default_rng(seed)
    shapes = [(16, 8), (8,)]
    fused = [rng.normal(size=s) for s in shapes]
    own = [rng.normal(size=s) * 2 - f for s, f in zip(shapes, fused, strict=True)]
    tensors = [[tf.constant(g) for g in gs] for gs in (fused, own)]
    ours = methods.MMPareto(gamma=GAMMA).integrate(*map(tuple, tensors))
    a, b = (torch.cat([torch.tensor(g).flatten() for g in gs]) for gs in (fused, own))
    if a @ b >= 0:
        c = torch.tensor(0.5, dtype=torch.float64)
    else:
        angle = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        solver = torch.optim.LBFGS([angle], max_iter=200, tolerance_grad=1e-14, lr=0.5)

        def squared_norm() -> torch.Tensor:
            solver.zero_grad()
            share = torch.sin(angle) ** 2
            value = (share * a + (1 - share) * b).pow(2).sum()
            value.backward()
            return value

        solver.step(squared_norm)
        c = torch.sin(angle.detach()) ** 2
    h = 2 * (c * a + (1 - c) * b)
    if a @ b < 0:
        h = h * torch.clamp((a + b).norm() / h.norm(), min=1)
    found = np.concatenate([g.numpy().ravel() for g in ours])
    yield "MMPareto, gradient h", (found, (GAMMA * h).numpy())


def pmr(seed: int) -> Iterator[tuple[str, Pair]]:
    """Two steps: class means, their running means, and what the second step makes of them."""
    problem = Problem(methods.PMR(momentum=MOMENTUM, mu=0.01), seed)
    labels = problem.torch_labels()
    present = torch.unique(labels)
    method, model = problem.model.method, problem.model
    problem.context.logits = model.head(problem.context.encodings)
    method.loss(problem.context)  # of untrained prototypes; it makes the first
    for name, e in zip(model.modalities, problem.torch_encodings(), strict=True):
        means = torch.stack([e[labels == k].mean(0) for k in present])
        ours = getattr(model, f"{name}_prototypes").numpy()[present.numpy()]
        yield f"PMR, {name} prototypes", (ours, means.numpy())
    scores = []
    for e in problem.torch_encodings():
        means = torch.stack([e[labels == k].mean(0) for k in present])
        near = torch.softmax(-torch.cdist(e, means), dim=1)
        column = torch.searchsorted(present, labels)
        scores.append(near[torch.arange(BATCH), column].sum())
    weaker = [torch.clamp(max(scores) / s - 1, 0, 1) for s in scores]
    ahead = [torch.clamp(s / min(scores) - 1, 0, 1) for s in scores]
    logits = torch.tensor(model.head(problem.context.encodings).numpy(), dtype=torch.float64)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    for e, beta, gamma in zip(problem.torch_encodings(), weaker, ahead, strict=True):
        means = torch.stack([e[labels == k].mean(0) for k in present])
        similarity = -torch.cdist(e, means)
        own = torch.nn.functional.cross_entropy(similarity, torch.searchsorted(present, labels))
        entropy = torch.distributions.Categorical(logits=similarity).entropy().mean()
        loss = loss + method.alpha * beta * own - method.mu * gamma * entropy
    yield "PMR, loss of the next step", (method.loss(problem.context).numpy(), loss.numpy())


RULES = (ogm_ge, mmpareto, pmr)


def main(_: list[str]) -> None:
    """The command."""
    worst: dict[str, float] = {}
    for rule in RULES:
        for trial in range(flags.FLAGS.trials):
            for name, (ours, theirs) in rule(flags.FLAGS.seed + trial):
                scale = max(np.abs(theirs).max(), 1e-12)
                difference = float(np.abs(ours - theirs).max() / scale)
                worst[name] = max(worst.get(name, 0.0), difference)
    print(f"TensorFlow {tf.__version__}, PyTorch {torch.__version__}, {flags.FLAGS.trials} trials")
    print("| rule | largest difference, of the largest value |\n| --- | --- |")
    for name, difference in worst.items():
        print(f"| {name} | {difference:.1e} |")
    if max(worst.values()) > TOLERANCE:
        sys.exit(f"error: a difference is above {TOLERANCE}")


if __name__ == "__main__":
    app.run(main)
