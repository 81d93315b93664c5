"""Exact Shapley values: what each of a few players adds to a value, over all subsets."""

import itertools
import math
from collections.abc import Mapping
from typing import Any


def subsets(players: int) -> list[frozenset[int]]:
    """All 2^M subsets of the players 0..M-1, the small ones first; the last holds them all."""
    everyone = range(players)
    return [
        frozenset(chosen)
        for size in range(players + 1)
        for chosen in itertools.combinations(everyone, size)
    ]


def weight(size: int, players: int) -> float:
    """The weight `|S|! (M - |S| - 1)! / M!` of what a player adds to `size` others."""
    return math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)


def shapley(value: Mapping[frozenset, Any], player: int, players: int) -> Any:
    """Shapley value of one player, from the value of every subset (Shapley 1953).

        phi^m = sum_{S without m} |S|! (M - |S| - 1)! / M! (v(S + m) - v(S))

    The players' values sum to `v(all) - v({})`.

    Args:
        value: Mapping, subset of players -> number, array or tensor.
        player: Integer, the player whose value it is.
        players: Integer, the number of players, which are numbered from 0.
    """
    others = [p for p in range(players) if p != player]
    total = 0.0
    for size in range(players):
        for subset in map(frozenset, itertools.combinations(others, size)):
            total = total + weight(size, players) * (value[subset | {player}] - value[subset])
    return total
