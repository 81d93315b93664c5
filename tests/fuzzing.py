"""What the fuzz tests of the parsers share: how many examples, and what is thrown at a parser.

    FUZZ_EXAMPLES=20000 python -m pytest tests/tfrecords/test_fuzz.py tests/trainers/test_fuzz.py

makes a long run with new examples; without it the examples are few and always the same.
"""

import copy
import csv
import io
import json
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LONG = "FUZZ_EXAMPLES" in os.environ


def fuzz(examples=60, cost=1):
    """Settings of a fuzz test: so many examples, or in a long run the variable's number / cost."""
    return settings(
        max_examples=int(os.environ["FUZZ_EXAMPLES"]) // cost if LONG else examples,
        deadline=None,
        derandomize=not LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def csv_files(*cells):
    """Files: rows of cells that a parser knows and of any text; or any bytes."""
    cell = st.one_of(*(st.sampled_from(c) for c in cells), st.text(max_size=12))
    rows = st.lists(st.lists(cell, max_size=6), max_size=8)
    ends, quotings = st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([0, 1])

    def written(rows, end, quoting, mark):
        text = io.StringIO()
        csv.writer(text, lineterminator=end, quoting=quoting, escapechar="\\").writerows(rows)
        return mark + text.getvalue().encode("utf-8", "surrogatepass")

    marks = st.sampled_from([b"", b"\xef\xbb\xbf"])
    return st.one_of(st.builds(written, rows, ends, quotings, marks), st.binary(max_size=80))


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
        st.sampled_from([10**30, -1, "../x", "/x", "", "a\nb", "train", float("nan")]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)  # fmt: skip


@st.composite
def changed_json(draw, valid):
    """A valid JSON value as text, with one to three of its parts replaced, removed or added."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        parent, key = None, None
        here = value
        while (
            isinstance(here, dict | list) and len(here) and (parent is None or draw(st.booleans()))
        ):
            parent = here
            keys = sorted(here) if isinstance(here, dict) else range(len(here))
            key = draw(st.sampled_from(keys))
            here = here[key]
        if parent is None:
            continue
        what = draw(st.sampled_from(["replace", "remove", "add"]))
        if what == "replace":
            parent[key] = draw(VALUES)
        elif what == "remove":
            del parent[key]
        elif isinstance(parent, dict):
            parent[draw(st.text(max_size=6))] = draw(VALUES)
    return json.dumps(value)
