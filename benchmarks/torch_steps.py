"""Training steps in PyTorch, written from the paper's formulas as its users would write them.

Two ResNet-18 as ours, the encodings of frames averaged, naive fusion by one linear layer, SGD with
momentum. On a GPU convolutions are in channels-last order, choose their kernels by trying them
(`cudnn.benchmark`), as TensorFlow's do, and use TF32; bfloat16 is that of `torch.autocast`.
`torch.compile` compiles the encoders, because it can't compile the second derivatives of AMR, which
are the head's.
"""

from collections.abc import Callable

import torch
import torch._dynamo
from torch import nn

from benchmarks.sizes import Sizes
from benchmarks.steps import Candidate, Steps


class TorchSteps(Steps):
    """Steps on one random batch.

    Args:
        sizes: Sizes, of the task, whose encoder is ResNet-18.
        threads: Integer, PyTorch's threads; 0 for its choice.
    """

    def __init__(self, sizes: Sizes, threads: int = 0) -> None:
        super().__init__()
        if sizes.encoder != "resnet18":
            raise ValueError("the PyTorch step has ResNet-18 only")
        if threads:
            torch.set_num_threads(threads)
        torch.manual_seed(0)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        torch._dynamo.config.cache_size_limit = 64  # encoders share their code
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.order = torch.channels_last if self.device == "cuda" else torch.contiguous_format
        self.gpu = torch.cuda.get_device_name() if self.device == "cuda" else ""
        self.sizes = sizes
        inputs, labels = sizes.numbers()
        self.batch_bytes = sum(x.nbytes for x in inputs.values())
        self.inputs = [self._images(x) for x in inputs.values()]
        self.labels = torch.from_numpy(labels).to(self.device)

    def _images(self, x) -> torch.Tensor:
        """Spectrograms, or the frames of all clips, as images `[B, channels, H, W]`."""
        images = torch.from_numpy(x).reshape(-1, *x.shape[-3:]).permute(0, 3, 1, 2)
        return images.to(self.device).contiguous(memory_format=self.order)

    def build(self, name: Candidate) -> Callable[[], torch.Tensor]:
        """A step of a candidate."""
        channels = [shape[-1] for shape in self.sizes.shapes.values()]
        width = self.sizes.width or 64
        encoders = [resnet18(c, width).to(self.device, memory_format=self.order) for c in channels]
        head = nn.Linear(16 * width, self.sizes.classes).to(self.device)
        everything = nn.ModuleList([*encoders, head]).train()
        task = torch.optim.SGD(everything.parameters(), lr=0.001, momentum=0.9)
        amr = torch.optim.SGD(head.parameters(), lr=0.1)
        if name.compiled:
            # sizes are fixed, and no encoder may fall back to eager mode without a word
            encoders = [torch.compile(e, fullgraph=True, dynamic=False) for e in encoders]
        halved = name.precision == "mixed_bfloat16"

        def step() -> torch.Tensor:
            task.zero_grad(set_to_none=True)
            with torch.autocast(self.device, torch.bfloat16, enabled=halved):
                encodings = [
                    encoder(x).reshape(self.sizes.batch, -1, 8 * width).mean(1)
                    for encoder, x in zip(encoders, self.inputs, strict=True)
                ]
                logits = head(torch.cat(encodings, 1))
            loss = nn.functional.cross_entropy(logits.float(), self.labels)
            if name.kind == "with AMR":
                inputs = [e.detach().float().requires_grad_() for e in encodings]
                penalty = imbalance(head, inputs)
                of_head = torch.autograd.grad(penalty, list(head.parameters()), allow_unused=True)
            loss.backward()
            task.step()
            if name.kind == "with AMR":
                for p, g in zip(head.parameters(), of_head, strict=True):
                    p.grad = g
                amr.step()
            return loss

        return step

    def wait(self, loss: torch.Tensor) -> None:
        """Fetches the loss."""
        loss.item()

    def versions(self) -> str:
        """PyTorch, and its CUDA."""
        return f"PyTorch {torch.__version__}"

    def held(self) -> int:
        """The bytes in use, by PyTorch's allocator."""
        return torch.cuda.memory_allocated() if self.gpu else 0

    def peak(self) -> int:
        """The largest number of bytes in use, by PyTorch's allocator."""
        return torch.cuda.max_memory_allocated() if self.gpu else 0

    def forget_peak(self) -> None:
        """Begins a new maximum in PyTorch's allocator."""
        if self.gpu:
            torch.cuda.reset_peak_memory_stats()


def imbalance(head: nn.Module, encodings: list[torch.Tensor]) -> torch.Tensor:
    """Eq. (1) of the mean shares of the top class's log-odds, for an equal ratio."""
    logits = head(torch.cat(encodings, 1))
    top = logits.argmax(1, keepdim=True)
    others = logits.scatter(1, top, float("-inf")).logsumexp(1)
    score = (logits.gather(1, top)[:, 0] - others).sum()
    gradients = torch.autograd.grad(score, encodings, create_graph=True)
    norms = [(g * e).norm(dim=1) for g, e in zip(gradients, encodings, strict=True)]
    norms = torch.stack(norms, 1)
    shares = (norms / norms.sum(1, keepdim=True)).mean(0)
    return (shares - 1 / len(encodings)).abs().sum()


def resnet18(channels: int, width: int = 64) -> nn.Module:
    """ResNet-18 (He et al. 2016) to its 8 x `width` pooled features."""
    layers = [
        nn.Conv2d(channels, width, 7, 2, 3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    before = width
    for stage in range(4):
        after = width << stage
        layers += [Block(before, after, 2 if stage else 1), Block(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[B, before, H, W]` -> `[B, after, H / stride, W / stride]`."""
        return torch.relu(self.path(x) + self.shortcut(x))
