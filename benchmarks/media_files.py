"""Renders clips for the benchmarks: H.264 and AAC in MP4, in VGGSound's layout.

Content decides what codecs cost. Pictures here move, and their spectrum falls as that of the web's
compressed ones: a frame of 455x256 is a JPEG of some 40 kB. Sound is a chord over pink noise.
"""

import os
import pathlib
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np


def pink(rng: np.random.Generator, shape: tuple[int, ...], power: float) -> np.ndarray:
    """Noise whose amplitude falls as 1 / frequency**power, of mean 0 and deviation 1."""
    axes = (np.fft.fftfreq(n) for n in shape)
    frequency = np.sqrt(sum(f**2 for f in np.meshgrid(*axes, indexing="ij")))
    frequency.flat[0] = np.inf
    noise = np.fft.ifftn(np.fft.fftn(rng.normal(size=shape)) / frequency**power).real
    return noise / noise.std()


def render(path: pathlib.Path, seed: int, seconds: float, width: int, height: int) -> None:
    """Renders one clip at 25 frames a second, with stereo sound at 44,100 Hz.

    Args:
        path: Path of the file.
        seed: Integer, the seed of its content.
        seconds: Number, its length.
        width: Integer, the width of the frames, pixels.
        height: Integer, the height of the frames, pixels.
    """
    rng = np.random.default_rng(seed)
    scene = np.stack([pink(rng, (height, width), 1.5) for _ in range(3)], -1)
    scene[..., 1:] = 0.9 * scene[..., :1] + 0.1 * scene[..., 1:]  # colours are correlated
    grain = [0.02 * rng.normal(size=scene.shape) for _ in range(3)]
    step = rng.integers(1, 4, 2)
    t = np.arange(round(seconds * 44_100)) / 44_100
    notes = rng.uniform(100, 1_000, 3)
    sound = 0.1 * sum(np.sin(2 * np.pi * note * t) for note in notes)
    sound = sound + 0.03 * np.stack([pink(rng, t.shape, 0.5) for _ in range(2)])
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "fast", "crf": "23"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=44_100, layout="stereo")
        for k in range(round(25 * seconds)):
            moved = np.roll(scene, k * step, (0, 1)) + grain[k % 3]
            pixels = np.clip(128 + 45 * moved, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = k
            container.mux(video.encode(frame))
        container.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(sound.astype(np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 44_100, 0
        container.mux(audio.encode(frame))
        container.mux(audio.encode())


def source(
    directory: pathlib.Path, count: int, rendered: int, seconds: float, width: int, height: int
) -> pathlib.Path:
    """Makes a directory of clips and their list, all of the train split.

    Args:
        directory: Path of the directory.
        count: Integer, the clips in the list.
        rendered: Integer, the clips that differ; the others are links to those.
        seconds: Number, their length.
        width: Integer, the width of the frames, pixels.
        height: Integer, the height of the frames, pixels.

    Returns:
        The directory.
    """
    directory.mkdir(parents=True)
    paths = [directory / f"clip{i:07d}_000000.mp4" for i in range(count)]
    with ThreadPoolExecutor() as pool:  # codecs and NumPy leave Python's lock alone
        made = [
            pool.submit(render, path, i, seconds, width, height)
            for i, path in enumerate(paths[:rendered])
        ]
        for one in made:
            one.result()
    for i, path in enumerate(paths[rendered:], rendered):
        os.link(paths[i % rendered], path)
    rows = [f"clip{i:07d},0,airplane,train\n" for i in range(count)]
    (directory / "vggsound.csv").write_text("".join(rows))
    return directory
