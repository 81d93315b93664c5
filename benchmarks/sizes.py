"""The task that a training step is measured on: its sizes, and a random batch of it."""

import dataclasses

import numpy as np
from absl import flags


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The sizes of a task of sound and video, and the encoder of both.

    Attributes:
        encoder: String, `resnet18` or `small`.
        width: Integer, the channels of its first stage; 0 for its default.
        pixels: Integer, the height and width of the frames.
        frames: Integer, the frames of a clip.
        spectrogram: Two integers, time steps and frequency bins.
        batch: Integer, the clips of a step.
        classes: Integer, the number of classes.
    """

    encoder: str = "resnet18"
    width: int = 0
    pixels: int = 112
    frames: int = 1
    spectrogram: tuple[int, int] = (188, 257)
    batch: int = 16
    classes: int = 10

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Modality -> the shape of one sample."""
        return {
            "audio": (*self.spectrogram, 1),
            "video": (self.frames, self.pixels, self.pixels, 3),
        }

    def numbers(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """A random batch: modality -> float32 `[B, ...]`, and class ids `[B]`."""
        rng = np.random.default_rng(0)
        inputs = {
            m: rng.standard_normal((self.batch, *shape), np.float32)
            for m, shape in self.shapes.items()
        }
        return inputs, rng.integers(0, self.classes, self.batch)

    def as_flags(self) -> str:
        """The flags that stand for these sizes, those with their default left out."""
        given = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                text = ",".join(map(str, value)) if isinstance(value, tuple) else value
                given.append(f"--{field.name}={text}")
        return " ".join(given)


FULL = Sizes(pixels=224, frames=3, batch=64, classes=309)
TINY = Sizes(width=4, pixels=32, frames=3, spectrogram=(40, 33), batch=4, classes=5)


def define_flags(default: Sizes = Sizes()) -> None:
    """Defines a flag for each size."""
    flags.DEFINE_enum(
        "encoder", default.encoder, ["resnet18", "small"], "Both modalities' encoder."
    )
    flags.DEFINE_integer("width", default.width, "Channels of its first stage; 0 for its default.")
    flags.DEFINE_integer("pixels", default.pixels, "Height and width of the frames.")
    flags.DEFINE_integer("frames", default.frames, "Frames of a clip.")
    flags.DEFINE_list(
        "spectrogram", [str(n) for n in default.spectrogram], "Time steps and frequency bins."
    )
    flags.DEFINE_integer("batch", default.batch, "Clips a step.")
    flags.DEFINE_integer("classes", default.classes, "Classes.")


def of_flags() -> Sizes:
    """The sizes that the flags give."""
    values = {field.name: flags.FLAGS[field.name].value for field in dataclasses.fields(Sizes)}
    time, frequency = map(int, values["spectrogram"])
    return Sizes(**{**values, "spectrogram": (time, frequency)})
