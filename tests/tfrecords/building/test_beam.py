import dataclasses
import pathlib
import sys

import pytest

from tests.tfrecords import files
from tests.tfrecords.building.test_build import contents, failures
from tfrecords.building import beam, media
from tfrecords.building import builder as build
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import BuildError
from tfrecords.description import DESCRIPTION, DatasetInfo

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def installed():
    pytest.importorskip("apache_beam", reason="the extra [beam] is not installed")


@pytest.fixture(scope="module")
def local(rendered, recipe, tmp_path_factory):
    """Options and directory of a build without Beam."""
    output = tmp_path_factory.mktemp("records") / "set"
    options = BuildOptions(recipe, str(rendered), str(output), clips_per_shard=4, workers=1)
    build.build(options, progress=False)
    return options, output


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param((), id="in this process"),
        pytest.param(
            ("--direct_num_workers=2", "--direct_running_mode=multi_processing"), id="in two others"
        ),
    ],
)
def test_beam_gives_the_bytes_of_a_local_build(installed, local, tmp_path, monkeypatch, flags):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of Beam's worker processes
    options, output = local
    options = dataclasses.replace(
        options, output=str(tmp_path / "o"), runner="DirectRunner", beam_options=flags
    )
    assert build.build(options, progress=False) == DatasetInfo.load(output)
    assert contents(tmp_path / "o") == contents(output)


def test_beam_finishes_a_local_build_and_touches_nothing_else(installed, local, tmp_path):
    options, output = local
    options = dataclasses.replace(options, output=str(tmp_path / "o"), shard_range=(0, 2))
    assert build.build(options, progress=False) is None
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "o").iterdir()}
    build.build(
        dataclasses.replace(options, shard_range=(0, 1), runner="DirectRunner"), progress=False
    )
    assert contents(tmp_path / "o") == contents(output)
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_clip_that_kills_its_decoder_costs_itself_alone(installed, clips, monkeypatch):
    with (pathlib.Path(clips.source) / "vggsound.csv").open("a") as file:
        file.write("crash,1,airplane,train\nhang,1,airplane,train\n")
    monkeypatch.setattr(media, "outcome", files.hostile)
    clips = dataclasses.replace(clips, timeout=5.0, runner="DirectRunner")
    info = build.build(clips, progress=False)
    assert sum(split.clips for split in info.splits.values()) == 6
    reasons = {clip: reason for clip, (reason, _) in failures(pathlib.Path(clips.output)).items()}
    assert reasons == {"crash_000001": "crashed", "hang_000001": "timed out"}


def test_what_goes_wrong_in_a_shard_is_one_line(installed, clips):
    source = pathlib.Path(clips.source)
    for path in source.glob("*.mp4"):
        path.unlink()
    clips = dataclasses.replace(clips, max_failures=1, runner="DirectRunner")
    with pytest.raises(BuildError) as error:
        build.build(clips, progress=False)
    assert str(error.value).startswith("--runner=DirectRunner: 2 of 2 clips failed, more than ")
    assert "\n" not in str(error.value)
    assert not (pathlib.Path(clips.output) / DESCRIPTION).exists()


def test_an_unknown_runner_is_one_line(installed, clips):
    with pytest.raises(BuildError, match=r"^--runner=NoRunner: ") as error:
        build.build(dataclasses.replace(clips, runner="NoRunner"), progress=False)
    assert "\n" not in str(error.value)


def test_the_reason_is_found_in_what_another_process_tells():
    told = (
        "Error processing instruction. Original traceback is\nTraceback (most recent call last):\n"
        '  File "sdk_worker.py", line 310, in _execute\n'
        "tfrecords.building.options.BuildError: --source=/clips went away\n\nDuring handling:\n"
        "tfrecords.building.options.BuildError: --source=/clips went away [while running 'Write']\n"
    )
    assert beam._reason(RuntimeError(told)) == "--source=/clips went away"


def test_without_beam_the_extra_is_named(clips, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    message = r"--runner=FlinkRunner needs Apache Beam: pip install 'amr-tf\[beam\]'"
    with pytest.raises(BuildError, match=message):
        build.build(dataclasses.replace(clips, runner="FlinkRunner"), progress=False)


def test_options_of_beam_without_a_runner_are_refused():
    with pytest.raises(BuildError, match="--beam_options are for a --runner"):
        BuildOptions("synthetic", "in", "out", beam_options=("--flink_master=here",))
