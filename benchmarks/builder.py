"""The builder's CPU time against the ffmpeg command line, bytes per clip, and peak memory.

    pip install '.[bench]' && python -m benchmarks.builder        # ffmpeg must be installed too

Both get the same clips, rendered first: ten seconds of 640x360 H.264 and AAC. Both make of each the
same things: frames at 1 a second, short side 256, as JPEG, and the sound as 16-bit mono at 16 kHz.
ffmpeg writes files, one process a clip; the builder writes records, and its time includes starting
its worker process. CPU seconds are user and system time, of all child processes too; the two are
measured in turn, in rounds.

Peak memory is of whole builds by the command, of short clips: what counts is their number.
"""

import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile

from absl import app, flags

from tfrecords.stored import AUDIO_CODECS

from tfrecords import quiet  # noqa: F401  isort: skip

import numpy as np
import tensorflow as tf

from benchmarks import media_files, paired
from tfrecords import schema
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions

flags.DEFINE_integer("clips", 40, "Clips a round.")
flags.DEFINE_integer("rounds", 10, "Rounds.")
flags.DEFINE_list("memory_clips", ["1000", "10000"], "Sizes of the builds whose memory is taken.")


def options(source: pathlib.Path, output: pathlib.Path, codec: str = "pcm16") -> BuildOptions:
    """A build by one worker of all clips as training clips."""
    return BuildOptions(
        "vggsound",
        str(source),
        str(output),
        validation_fraction=1e-9,
        workers=1,
        audio_codec=codec,
        overwrite=True,
    )


def by_ffmpeg(source: pathlib.Path, output: pathlib.Path) -> None:
    """Extracts frames and sound of each clip."""
    for path in sorted(source.glob("*.mp4")):
        target = output / path.stem
        target.mkdir(parents=True)
        command = ["ffmpeg", "-v", "error", "-threads", "1", "-filter_threads", "1"]
        command += ["-i", str(path), "-vf", "fps=1,scale=-2:256", "-q:v", "2"]
        command += ["-threads", "1", str(target / "%02d.jpg")]
        command += ["-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le", str(target / "sound.wav")]
        subprocess.run(command, check=True)  # noqa: S603
        assert 9 <= len(list(target.glob("*.jpg"))) <= 11, target  # noqa: S101


def cpu_seconds() -> float:
    """User and system time of this process and of the children that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def speeds(directory: pathlib.Path) -> dict[str, list[float]]:
    """The CPU seconds a clip of both, a value a round, without the first round, a warm-up."""
    count = flags.FLAGS.clips
    source = media_files.source(directory / "source", count, min(count, 20), 10, 640, 360)
    spent = {"builder": [], "ffmpeg": []}
    for _ in paired.rounds(flags.FLAGS.rounds + 1):
        start = cpu_seconds()
        info = builder.build(options(source, directory / "records"), progress=False)
        spent["builder"].append((cpu_seconds() - start) / count)
        assert info.splits["train"].clips == count  # noqa: S101
        start = cpu_seconds()
        by_ffmpeg(source, directory / "files")
        spent["ffmpeg"].append((cpu_seconds() - start) / count)
        shutil.rmtree(directory / "files")
    return {name: values[1:] for name, values in spent.items()}


def sizes(source: pathlib.Path, directory: pathlib.Path) -> list[tuple[str, str, str, str]]:
    """Mean kB of a record, its sound and its frames, per codec."""
    rows = []
    for codec in AUDIO_CODECS:
        builder.build(options(source, directory / codec, codec), progress=False)
        measured = []
        for path in (directory / codec).glob("*.tfrecord"):
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                example = tf.train.SequenceExample.FromString(record)
                sound = example.context.feature[schema.AUDIO].bytes_list.value[0]
                frames = example.feature_lists.feature_list[schema.FRAMES].feature
                jpegs = sum(len(frame.bytes_list.value[0]) for frame in frames)
                measured.append((len(record), len(sound), jpegs))
        rows.append((codec, *(f"{size / 1e3:.1f}" for size in np.mean(measured, axis=0))))
    return rows


def peak_memory(directory: pathlib.Path, count: int) -> float:
    """MB of the largest process of a build of `count` clips: the command itself."""
    source = media_files.source(directory / f"source{count}", count, min(count, 10), 1, 64, 64)
    command = [sys.executable, "-m", "tfrecords.build", "--dataset=vggsound", "--workers=1"]
    command += [f"--source={source}", f"--output={directory / f'records{count}'}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"error: the build of {count} clips failed")
    return usage.ru_maxrss / 1e3


def main(_: list[str]) -> None:
    """Measures and prints tables."""
    if not shutil.which("ffmpeg"):
        sys.exit("error: the ffmpeg command is not installed")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        spent = speeds(directory)
        stored = sizes(directory / "source", directory)
        memory = {n: peak_memory(directory, int(n)) for n in flags.FLAGS.memory_clips}
    print(f"{paired.machine()}; {flags.FLAGS.rounds} rounds of {flags.FLAGS.clips} clips\n")
    rows = [
        (name, f"{np.mean(values):.3f}", paired.ratio(values, spent["ffmpeg"]))
        for name, values in spent.items()
    ]
    print(paired.table(("", "CPU seconds a clip", "against ffmpeg"), rows), end="\n\n")
    print(paired.table(("codec", "kB a record", "sound", "frames"), stored), end="\n\n")
    rows = [(f"{int(count):,}", f"{peak:.0f}") for count, peak in memory.items()]
    print(paired.table(("clips", "peak MB"), rows))


if __name__ == "__main__":
    app.run(main)
