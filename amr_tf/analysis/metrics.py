"""Dominance of a whole split, on the host, and as text."""

from collections.abc import Mapping, Sequence

import numpy as np

_UNNAMED = 3  # modalities whose shares stand in a row without their names


def dominance(shares: np.ndarray, complete: np.ndarray | None = None) -> np.ndarray:
    """The mean share of each modality over the samples that have all of them.

    Args:
        shares: Array `[N, M]`.
        complete: Array `[N]`, true where a sample has all modalities; all by default.

    Returns:
        Array `[M]`; NaN where no sample is complete.
    """
    if complete is not None:
        shares = shares[np.asarray(complete, bool)]
    return shares.mean(axis=0) if len(shares) else np.full(shares.shape[1], np.nan)


def dominance_title(modalities: Sequence[str]) -> str:
    """The title of `format_dominance`: `audio/video`, or `shares` for many modalities.

    Args:
        modalities: Strings, the names in their order.
    """
    return "/".join(modalities) if len(modalities) <= _UNNAMED else "shares"


def format_dominance(values: Mapping[str, float] | None) -> str:
    """Formats percent per modality in their order, `74/26`; `-` for a model of one modality.

    More than three modalities are named: `fou 12 / fac 21 / kar 40 / pix 27`.

    Numbers are rounded by largest remainders: they add up to 100.

    Args:
        values: Mapping, modality -> share; None where there are no shares.

    Returns:
        The text; `?` where a share is not known.
    """
    if not values or len(values) < 2:
        return "-"
    percent = 100 * np.array(list(values.values()), float)  # None, JSON's NaN, becomes NaN
    if not np.isfinite(percent).all():
        return "?"
    whole = np.floor(percent).astype(int)
    for m in np.argsort(whole - percent, kind="stable")[: 100 - whole.sum()]:
        whole[m] += 1
    if len(whole) <= _UNNAMED:
        return "/".join(str(p) for p in whole)
    return " / ".join(f"{name} {p}" for name, p in zip(values, whole, strict=True))
