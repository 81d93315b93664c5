"""Draws splits: by group, alike in their classes, none of them empty."""

import collections
from collections.abc import Mapping, Sequence

from tfrecords.datasets.listing import SourceError, draw

_ALL = -1  # stands for all classes where clips are counted


def draw_splits(
    groups: Mapping[str, Sequence[int]], fractions: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Deals groups to splits, so that each split has its share of the clips of each class.

    The largest groups come first, groups of one size in an order drawn from the seed; each goes
    where it brings the clips of its classes, and all clips, nearest to their shares (iterative
    stratification after Sechidis et al. 2011, on whole groups). The result does not depend on the
    groups' order.

    Args:
        groups: Mapping, group -> class ids of its clips.
        fractions: Mapping, split -> its share; the shares are positive and sum to 1.
        seed: Integer, the seed of the order.

    Returns:
        Group -> split; no split is empty.

    Raises:
        SourceError: There are fewer groups than splits.
    """
    if len(groups) < len(fractions):
        raise SourceError(
            f"{len(groups)} group{'s' * (len(groups) != 1)} of clips cannot be dealt to "
            f"{len(fractions)} splits ({', '.join(fractions)}): no group may be in two of them. "
            "Give more clips, finer groups, or the split of each clip"
        )
    counts = {group: _counts(labels) for group, labels in groups.items()}
    totals = _counts([label for labels in groups.values() for label in labels])
    # all clips together weigh as much as a class of the mean size
    scales = totals | {_ALL: totals[_ALL] / max(1, len(totals) - 1)}
    given = {split: collections.Counter() for split in fractions}
    order = sorted(groups, key=lambda g: (-len(groups[g]), draw(seed, f"split/{g}"), g))

    def cost(group: str, split: str) -> float:
        """The distance that the split's counts move from their shares, as in a chi-squared test."""
        return sum(
            (2 * n * (given[split][c] - fractions[split] * totals[c]) + n * n) / scales[c]
            for c, n in counts[group].items()
        )

    splits = {}
    for group in order:
        splits[group] = min(fractions, key=lambda split: (cost(group, split), -fractions[split]))
        given[splits[group]].update(counts[group])
    _fill(splits, fractions, groups)
    return splits


def _counts(labels: Sequence[int]) -> dict[int, int]:
    """The number of clips of each class, and of all classes together.

    Without the last, classes of one or two clips would all go to the largest split. The order is
    that of the classes: sums of floating-point numbers depend on it.
    """
    return {_ALL: len(labels), **dict(sorted(collections.Counter(labels).items()))}


def _fill(
    splits: dict[str, str], fractions: Mapping[str, float], groups: Mapping[str, Sequence[int]]
) -> None:
    """Gives each empty split the smallest group of the split that has the most."""
    for split in fractions:
        members = collections.Counter(splits.values())
        if not members[split]:
            largest = members.most_common(1)[0][0]
            candidates = [group for group, where in splits.items() if where == largest]
            splits[min(candidates, key=lambda g: (len(groups[g]), g))] = split
