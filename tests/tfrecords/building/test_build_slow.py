"""What a build must survive, at the size that makes it believable: `pytest -m slow`."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.tfrecords import files
from tfrecords.building import builder as build
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import Synthetic

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
KILLS = 20
MUTANTS = 1_000


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_build_killed_at_random_moments_ends_in_the_same_bytes(tmp_path):
    recipe = Synthetic(num_train=400, num_test=100)
    source, output = tmp_path / "source", tmp_path / "o"
    recipe.prepare(source, 0, os.cpu_count(), False)
    whole = BuildOptions(recipe, str(source), str(tmp_path / "whole"), clips_per_shard=8)
    build.build(whole, progress=False)
    flags = ["--dataset=synthetic", f"--source={source}", f"--output={output}"]
    flags += ["--num_train=400", "--num_test=100", "--clips_per_shard=8"]
    rng = np.random.default_rng(1)
    killed = 0
    for _ in range(KILLS):
        workers = f"--workers={rng.integers(1, 4)}"
        process = subprocess.Popen(
            [sys.executable, "-m", "tfrecords.build", *flags, workers],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = set(output.glob("*.json"))
        while set(output.glob("*.json")) <= before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.1))  # somewhere in the first shards of this run
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        for path in output.glob("*.tfrecord"):
            assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()
    assert killed >= 3  # a fast machine may come to the end before
    build.build(dataclasses.replace(whole, output=str(output), workers=2), progress=False)
    assert contents(output) == contents(tmp_path / "whole")


def mutants(path):
    """Broken versions of media files, and what is none at all."""
    rng = np.random.default_rng(2)
    sources = [
        files.clip(path / f"whole{suffix}", seconds=0.5, **options).read_bytes()
        for suffix, options in ((".mp4", {}), (".mp4", {"movflags": "faststart"}), (".flv", {}))
    ]
    for i in range(MUTANTS):
        content = bytearray(sources[i % 3])
        kind = i // 3 % 6
        if kind == 0:  # flipped bits
            for at in rng.integers(0, len(content), rng.integers(1, 200)):
                content[at] ^= 1 << rng.integers(8)
        elif kind == 1:  # cut off
            del content[rng.integers(0, len(content)) :]
        elif kind == 2:  # a hole
            start = rng.integers(0, len(content))
            content[start : start + 500] = bytes(len(content[start : start + 500]))
        elif kind == 3:  # two containers in one
            content = content[: len(content) // 2] + sources[(i + 1) % 3][len(content) // 2 :]
        elif kind == 4:  # noise, or nothing
            content = rng.bytes(rng.integers(0, 3) * 1_000)
        else:
            content = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        yield bytes(content)


def test_broken_files_never_stop_a_build_and_are_all_accounted_for(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    rows = []
    for i, content in enumerate(mutants(tmp_path)):
        (source / f"mutant{i:05d}_000001.mp4").write_bytes(content)
        rows.append(f"mutant{i:05d},1,airplane,{'test' if i % 4 else 'train'}\n")
    (source / "vggsound.csv").write_text("".join(rows))
    options = BuildOptions(
        "vggsound", str(source), str(tmp_path / "o"), workers=os.cpu_count(), max_failures=1.0
    )
    info = build.build(options, progress=False)
    written = sum(split.clips for split in info.splits.values())
    failed = sum(split.failed for split in info.splits.values())
    assert written + failed == MUTANTS
    lines = (tmp_path / "o" / "failures.csv").read_text().splitlines()
    assert len(lines) == failed + 1
    assert 100 < written < 600
