"""Any text in a flag, and any file that a run reads, is read or refused by a ValueError.

See tests/fuzzing.py for long runs.
"""

import itertools
import json
import pathlib
import tempfile

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzzing import changed_json, csv_files, fuzz
from tfrecords.datasets import cremad_votes
from trainers.comparison import asked, plan
from trainers.config.methods import method_names
from trainers.config.parsing import parse_options, parse_ratio
from trainers.config.run_config import Config
from trainers.running.run_directory import best_score, trim

MODALITIES = ("audio", "video")
METHOD_NAMES = method_names(MODALITIES)
NUMBERS = ("1", "0", "-1", "1e308", "1e400", "nan", "inf", "1_0", "٣", " 2 ", "9" * 400, "")


def text_of(*pieces):
    """Pieces that a parser knows, joined; or any text."""
    piece = st.sampled_from(pieces) | st.text(max_size=3)
    return st.lists(piece, max_size=9).map("".join) | st.text(max_size=20)


@fuzz(100)
@given(text_of(*NUMBERS, ":", "=", ",", *MODALITIES))
def test_ratios(text):
    try:
        ratio = parse_ratio(text, MODALITIES)
    except ValueError as error:
        assert "--amr_ratio=" in str(error)  # noqa: PT017
        return
    assert len(ratio) == 2
    assert np.isfinite(ratio).all()
    assert min(ratio) >= 0 < sum(ratio)
    assert parse_ratio(":".join(map(repr, ratio)), MODALITIES) == ratio


@fuzz(100)
@given(text_of(*NUMBERS, "rate", "=", ",", "true", "[", "{", '"', "[" * 3000))
@example("a=" + "[" * 100_000)
@example("a=" + "9" * 5000)
def test_options(text):
    try:
        options = parse_options(text)
    except ValueError as error:
        assert "--method_options=" in str(error)  # noqa: PT017
        return
    assert all(name.isidentifier() for name in options)
    assert len(options) <= text.count("=")


@fuzz(100)
@given(st.sampled_from(METHOD_NAMES), text_of(*NUMBERS, "rate", "alpha", "seed", "=", ",", "true"))
def test_methods_with_any_options(method, options):
    """Also what a method makes of its options is a ValueError, or a method."""
    try:
        made = Config(modalities="audio,video", method=method, method_options=options).make_method()
    except ValueError:
        return
    assert made.get_config() is not None


@fuzz(100)
@given(text_of(*METHOD_NAMES, "(", ")", ",", "=", "alpha", "../", "\n"))
def test_methods(text):
    try:
        found = asked.parse_methods(text, MODALITIES)
    except ValueError as error:
        assert "--methods" in str(error)  # noqa: PT017
        return
    assert found
    assert all(name in METHOD_NAMES for name, _ in found)
    for row in plan.rows(found, [0], MODALITIES):
        for run in itertools.chain(*row.runs.values()):  # a name is one part of a path
            assert pathlib.PurePath(run.name).name == run.name
            assert len(run.name) < 255
            assert run.name.isascii()


@fuzz(100)
@given(st.lists(text_of("amr_weight", "epochs", "=", ",", *NUMBERS, "../x"), max_size=3))
def test_sweeps(texts):
    try:
        sweeps = asked.parse_sweeps(texts, ["amr_weight", "epochs"])
    except ValueError as error:
        assert "--sweep=" in str(error)  # noqa: PT017
        return
    assert len(sweeps) == len(texts)
    assert all(flag in ("amr_weight", "epochs") and value for s in sweeps for flag, value in s)
    for row in plan.rows([("naive", "")], [0], MODALITIES, sweeps)[:9]:
        for run in itertools.chain(*row.runs.values()):
            assert pathlib.PurePath(run.name).name == run.name


@fuzz(100)
@given(text_of(*MODALITIES, "=", ",", "runs/a"))
def test_teachers(text):
    try:
        given_teachers = Config(
            modalities="audio,video", method="umt", teachers=text
        ).given_teachers
    except ValueError as error:
        assert "--teachers=" in str(error)  # noqa: PT017
        return
    assert set(given_teachers) <= set(MODALITIES)
    assert all(given_teachers.values())


RUN = {
    "flags": Config(modalities="audio,video").to_json(),
    "versions": {"python": "3.11"},
    "command": ["fit"],
}


@fuzz(150)
@given(changed_json(RUN) | st.text(max_size=30))
@example("[" * 100_000)
@example('{"flags": {"epochs": 1e400}}')
def test_descriptions_of_runs(text):
    with tempfile.TemporaryDirectory() as directory:
        pathlib.Path(directory, "config.json").write_text(text)
        try:
            config = Config.load(directory)
        except ValueError:
            return
    json.dumps(config.to_json(), allow_nan=False)
    assert not config.modalities or config.resolved().model_dir


COLUMNS = ("FileName", *cremad_votes.COLUMNS.values(), "1001_IEO_NEU_XX", "A", "N", "A:D", "")


@fuzz()
@given(csv_files(COLUMNS))
@example(
    ",".join(['"FileName"', *cremad_votes.COLUMNS.values()]).encode() + b"\n1001_IEO_NEU_XX,A\n,\n"
)
@example(",".join(['"FileName"', *cremad_votes.COLUMNS.values()]).encode() + b"\na\0b,A,A,A\n")
@example(",".join([*cremad_votes.COLUMNS.values(), "FileName"]).encode() + b"\nA\n")
def test_votes(content):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "summaryTable.csv")
        path.write_bytes(content)
        try:
            votes = cremad_votes.read(path)
        except ValueError:
            return
    assert all(
        isinstance(name, str) and set(of) == set(cremad_votes.COLUMNS) for name, of in votes.items()
    )
    intended = ["NEU"] * (len(votes) + 1)
    known, found = cremad_votes.recognised(votes, [*votes, "unknown"], intended)
    assert not known[-1]
    assert not any(recognised[-1] for recognised in found.values())
    assert found.keys() == cremad_votes.COLUMNS.keys()


@fuzz()
@given(csv_files(("epoch", "val_accuracy", "0", "1", "0.5", "nan")), st.integers(0, 2))
@example(b"epoch,val_accuracy\n0\n", 1)
@example(b"\n0\n", 1)
def test_histories(content, epochs):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "history.csv")
        path.write_bytes(content)
        trim(path, epochs)
        best = best_score(path)
    assert best is None or best == best  # no NaN: nothing would be better than it
