"""Draws splits: by group, alike in their classes, none of them empty."""

import collections
from collections.abc import Mapping, Sequence

from tfrecords.datasets.listing import SourceError, draw


def draw_splits(
    groups: Mapping[str, Sequence[int]], fractions: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Deals groups to splits, so that each split has its share of the clips of each class.

    The largest groups come first, groups of one size in an order drawn from the seed; each goes
    where it brings the clips of its classes nearest to their shares (iterative stratification after
    Sechidis et al. 2011, on whole groups). The result does not depend on the groups' order.

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
            f"{len(groups)} groups cannot be dealt to {len(fractions)} splits "
            f"({', '.join(fractions)}): no group may be in two of them. Give more clips, finer "
            "groups, or a column `split`"
        )
    counts = {group: collections.Counter(labels) for group, labels in groups.items()}
    totals = collections.Counter(label for labels in groups.values() for label in labels)
    given = {split: collections.Counter() for split in fractions}
    order = sorted(groups, key=lambda g: (-len(groups[g]), draw(seed, f"split/{g}"), g))

    def cost(group: str, split: str) -> float:
        """How much further from the shares the split's counts get, in squares of shares."""
        return sum(
            (2 * n * (given[split][c] - fractions[split] * totals[c]) + n * n) / totals[c] ** 2
            for c, n in counts[group].items()
        )

    splits = {}
    for group in order:
        splits[group] = min(fractions, key=lambda split: (cost(group, split), -fractions[split]))
        given[splits[group]].update(counts[group])
    _fill(splits, fractions, groups)
    return splits


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
