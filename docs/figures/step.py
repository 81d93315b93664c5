"""Draws step.png: what one train step of AMR does.

python docs/figures/step.py
"""

import pathlib

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

HERE = pathlib.Path(__file__).parent
TASK, AMR = "#1f5fa8", "#b3541e"


def box(panel: plt.Axes, x: float, y: float, text: str, face: str = "white") -> None:
    """A rounded box around its text, in the middle of (x, y)."""
    panel.add_patch(
        FancyBboxPatch((x - 0.72, y - 0.3), 1.44, 0.6, "round,pad=0.04", fc=face, ec="black", lw=1)
    )
    panel.text(x, y, text, ha="center", va="center", fontsize=9)


def arrow(
    panel: plt.Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str = "black",
    dashed: bool = False,
    bend: float = 0.0,
) -> None:
    """An arrow; dashed ones are gradients."""
    style = {"arrowstyle": "-|>", "mutation_scale": 12, "shrinkA": 0, "shrinkB": 0}
    line = {"color": color, "lw": 1.4, "ls": "--" if dashed else "-"}
    bent = f"arc3,rad={bend}"
    panel.add_patch(FancyArrowPatch(start, end, connectionstyle=bent, **style, **line))


def draw() -> plt.Figure:
    """Forward pass in black, the task's gradient in blue, the regulariser's in orange."""
    figure, panel = plt.subplots(figsize=(10, 3.7), layout="constrained")
    panel.set(xlim=(-0.2, 10.4), ylim=(0.1, 4.0), aspect="equal")
    panel.axis("off")
    for y, name in ((2.6, "sound"), (1.4, "picture")):
        box(panel, 0.8, y, f"{name}\nraw tensor")
        box(panel, 2.9, y, "encoder", "#dfe9f5")
        box(panel, 5.0, y, "encoding $e^m$")
        arrow(panel, (1.58, y), (2.1, y))
        arrow(panel, (3.68, y), (4.2, y))
        arrow(panel, (5.78, y), (6.3, 2.0 + (y - 2.0) * 0.25))
    box(panel, 7.1, 2.0, "head\n(fusion, classifier)", "#f6e4d8")
    box(panel, 9.4, 2.6, "task loss")
    box(panel, 9.4, 1.4, "shares $a^m$\nand R")
    arrow(panel, (7.88, 2.1), (8.6, 2.5))
    arrow(panel, (7.88, 1.9), (8.6, 1.5))
    arrow(panel, (9.4, 2.96), (7.1, 2.38), TASK, True, 0.45)
    arrow(panel, (9.4, 2.96), (2.9, 2.96), TASK, True, 0.22)
    panel.text(6.1, 3.83, "task optimizer: the task's gradient, for encoders and head",
               color=TASK, fontsize=9, ha="center", va="center")  # fmt: skip
    arrow(panel, (9.4, 1.04), (7.1, 1.62), AMR, True, -0.45)
    panel.text(6.1, 0.45, "AMR optimizer: the gradient of weight · R, only for the head",
               color=AMR, fontsize=9, ha="center", va="center")  # fmt: skip
    return figure


if __name__ == "__main__":
    draw().savefig(HERE / "step.png", dpi=150)
