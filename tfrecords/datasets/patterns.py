"""The sounds and looks of the ten synthetic classes.

A class is one of five gestures in one of two kinds. The gesture is a course of pitch and loudness
to the ear, a shape and a way of moving to the eye; the kind is a pure or a rich tone, a plain or a
striped surface. Shape and surface are visible in any single frame. Everything else (pitch, pace,
phase; place, size, turn, brightness, tint) is drawn anew for each clip, among noise and distractors
of other classes.

How well a clip can be told is a matter of degree: for each modality it draws a signal-to-noise
ratio in decibels from the normal distributions below, to which a strength of s adds 20 log10(s).
"""

import math

import numpy as np

AUDIO_SNR_DB = (3.5, 6.0)  # mean and standard deviation over the clips
VIDEO_SNR_DB = (8.0, 7.0)

RATE = 16_000  # Hz
FPS = 8
SIZE = 64  # pixels

GESTURES = ("rising", "falling", "wailing", "beeping", "trilling")
# (gesture, whether rich and striped) of each class, in the alphabetical order that fixes the ids.
CLASSES = {
    "accordion trilling, folk": ("trilling", True),
    "bird calling, falling": ("falling", False),
    "car horn honking": ("beeping", True),
    "engine accelerating": ("rising", True),
    "engine braking": ("falling", True),
    "siren wailing": ("wailing", False),
    "slide whistle, rising": ("rising", False),
    "smoke alarm beeping": ("beeping", False),
    "telephone trilling": ("trilling", False),
    "violin, slow vibrato": ("wailing", True),
}
_KINDS = tuple(CLASSES.values())


def ratio(rng: np.random.Generator, snr_db: tuple[float, float], strength: float) -> float:
    """Draws a clip's signal-to-noise ratio of amplitudes."""
    return strength * 10 ** (rng.normal(*snr_db) / 20)


def sound(rng: np.random.Generator, label: int, seconds: float, strength: float) -> np.ndarray:
    """The sound of a clip.

    Args:
        rng: Generator, the source of all randomness.
        label: Integer, the class id.
        seconds: Number, the duration.
        strength: Number, the strength of the class's pattern; 1 is the default.

    Returns:
        float32 `[samples]` in [-1, 1], mono, at RATE.
    """
    samples = round(seconds * RATE)
    time = np.arange(samples, dtype=np.float32) / RATE
    noise = _pink(rng, samples)
    for _ in range(2):  # babble: others, at the level of the noise
        noise += rng.uniform(0.2, 0.6) * _tone(rng, rng.integers(len(_KINDS)), time)
    mix = noise + ratio(rng, AUDIO_SNR_DB, strength) * _tone(rng, label, time)
    return np.float32(rng.uniform(0.3, 0.95) / np.abs(mix).max()) * mix


def _tone(rng: np.random.Generator, label: int, time: np.ndarray) -> np.ndarray:
    """The pattern of a class, of unit power."""
    gesture, rich = _KINDS[label]
    pitch = 600 * 2 ** rng.uniform(-0.6, 0.6)  # Hz
    pace = rng.uniform(2.0, 4.0)  # gestures a second
    phase = (time * np.float32(pace) + np.float32(rng.uniform())) % 1
    if gesture == "rising":
        course = 0.7 + 0.8 * phase
    elif gesture == "falling":
        course = 1.5 - 0.8 * phase
    elif gesture == "wailing":
        course = 1 + 0.35 * np.sin(2 * math.pi * phase)
    elif gesture == "trilling":
        course = np.where((2 * phase) % 1 < 0.5, 0.85, 1.2)
    else:
        course = np.ones_like(phase)
    angle = np.cumsum(course * np.float32(2 * math.pi * pitch / RATE), dtype=np.float64)
    angle = (angle % (2 * math.pi)).astype(np.float32)
    partials = (1, 2, 3, 4) if rich else (2,)
    tone = sum(np.sin(n * angle) / n**0.5 for n in partials)
    if gesture == "beeping":
        tone *= (2 * phase) % 1 < 0.5
    return tone / np.sqrt(np.mean(tone**2) + 1e-9)


def _pink(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Noise of unit power whose power falls with frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(samples, np.float32))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 30))
    noise = np.fft.irfft(spectrum, samples).astype(np.float32)
    return noise / noise.std()


def pictures(rng: np.random.Generator, label: int, seconds: float, strength: float) -> np.ndarray:
    """The frames of a clip.

    Args:
        rng: Generator, the source of all randomness.
        label: Integer, the class id.
        seconds: Number, the duration.
        strength: Number, the strength of the class's pattern; 1 is the default.

    Returns:
        uint8 `[frames, 3 * SIZE / 2, SIZE]` at FPS: YUV 4:2:0 as planes one below the other.
    """
    frames = round(seconds * FPS)
    time = np.arange(frames, dtype=np.float32)[:, None, None] / FPS
    scene = np.zeros((1, SIZE, SIZE), np.float32)
    for _ in range(3):  # clutter: others, small and still
        other = _thing(rng, rng.integers(len(_KINDS)), time[:1], radius=rng.uniform(4, 8))
        scene += rng.choice([-1, 1]) * rng.uniform(0.4, 1) * other
    # Grain: for each frame another part of one field.
    field = rng.standard_normal((SIZE + 32, SIZE + 32), np.float32)
    corners = rng.integers(0, 32, (frames, 2))
    grain = np.stack([field[y : y + SIZE, x : x + SIZE] for y, x in corners])
    thing = _thing(rng, label, time, radius=rng.uniform(10, 16))
    contrast = rng.choice([-1, 1]) * min(6.0, ratio(rng, VIDEO_SNR_DB, strength))
    luma = rng.uniform(100, 150) + 18 * (scene + grain + contrast * thing)
    tint = rng.uniform(-12, 12, (2, 1, 1, 1)).astype(np.float32)
    shade = rng.uniform(-20, 20, (2, 1, 1, 1)).astype(np.float32)
    chroma = 128 + shade + tint * abs(contrast) * np.abs(thing[:, ::2, ::2])
    planes = [luma, chroma.transpose(1, 0, 2, 3).reshape(frames, SIZE // 2, SIZE)]
    return np.concatenate(planes, axis=1).clip(16, 235).astype(np.uint8)


def _thing(rng: np.random.Generator, label: int, time: np.ndarray, radius: float) -> np.ndarray:
    """The shape of a class on its way: `[frames, SIZE, SIZE]`, 1 on its surface, 0 around it."""
    gesture, striped = _KINDS[label]
    pace = np.float32(2 * math.pi * rng.uniform(0.3, 0.8))
    x0, y0 = rng.uniform(16, SIZE - 16, 2).astype(np.float32)
    turn, start = rng.uniform(-0.4, 0.4), np.float32(rng.uniform(0, 2 * math.pi))
    swing = 6 * np.sin(pace * time + start)
    line = np.arange(SIZE, dtype=np.float32)
    x, y = np.broadcast_arrays(line[None, None, :] - x0, line[None, :, None] - y0)
    if gesture == "rising":
        y = y + 10 * (time - time.mean())
    elif gesture == "falling":
        y = y - 10 * (time - time.mean())
    elif gesture == "wailing":
        x = x + swing
    elif gesture == "beeping":
        x, y = x * (1 + swing / 30), y * (1 + swing / 30)
    else:
        turn = turn + swing / 15
    cos, sin = np.float32(1 / radius) * np.cos(turn), np.float32(1 / radius) * np.sin(turn)
    x, y = cos * x + sin * y, cos * y - sin * x  # now in units of the radius
    inside = np.clip(0.5 - _distance(gesture, x, y) * np.float32(radius), 0, 1)
    return inside * np.sign(np.sin(np.float32(2.5 * math.pi) * (x + y))) if striped else inside


def _distance(gesture: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance from the edge of a gesture's shape, negative inside."""
    ax, ay = np.abs(x), np.abs(y)
    if gesture == "rising":  # a triangle
        return np.maximum(ax * 0.87 + y * 0.5 - 0.5, -y - 0.8)
    if gesture == "falling":  # a cross
        return np.minimum(np.maximum(ax - 1, ay - 0.3), np.maximum(ax - 0.3, ay - 1))
    if gesture == "wailing":  # a ring
        return np.abs(np.sqrt(x * x + y * y) - 0.75) - 0.25
    if gesture == "beeping":  # a square
        return np.maximum(ax, ay) - 0.8
    return np.sqrt(x * x + y * y) - 0.95  # a disc
