"""JPEG files that clients send, as pictures the right way up, by graph operations.

    FFD8                     begins the file, then segments: <FF> <marker> <size> <content>
    FFE1 <size> Exif 0 0     the segment of EXIF, a TIFF file: byte order, 42, where its entries are
    <tag> <type> <n> <value> an entry; tag 0x0112 says how the camera was held

Source: CIPA DC-008 (EXIF 2.32), sections 4.5.4, 4.6.2 and 4.6.4 (Orientation).
"""

from collections.abc import Callable

import tensorflow as tf

from amr_tf.modalities.attempts import refused

MAX_PIXELS = 4096 * 4096  # of a frame that a client sends; decoded it takes three bytes each
_HEAD = 1 << 17  # bytes in which EXIF is looked for: its segment is one of the first
_ORIENTATION, _SHORT = 0x0112, 3
_MOST_ENTRIES = 256


def read(
    file: tf.Tensor, fit: Callable[[tf.Tensor], tf.Tensor], otherwise: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads a file, turned and mirrored as its EXIF orientation says.

    Args:
        file: Scalar string, the file's bytes; "" for none, which is no problem.
        fit: Function, `[H, W, 3]` uint8 -> pixels of `otherwise`'s shape.
        otherwise: Tensor uint8, the pixels where there is no file, or a problem.

    Returns:
        The pixels and the problem, a scalar string.

    Raises:
        tf.errors.InvalidArgumentError: The file is damaged.
    """
    empty, begins = file == "", tf.strings.substr(file, 0, 2) == b"\xff\xd8"
    problem = refused((~empty & ~begins, "a picture is not a JPEG file"))

    def decoded() -> tuple[tf.Tensor, tf.Tensor]:
        shape = tf.io.extract_jpeg_shape(file, tf.int64)
        said = f"a JPEG file has {{}} pixels (height, width, channels), the limit is {MAX_PIXELS}"
        large = refused((shape[0] * shape[1] > MAX_PIXELS, tf.strings.format(said, shape)))

        def pixels() -> tf.Tensor:
            return fit(upright(tf.io.decode_jpeg(file, channels=3), orientation(file)))

        return tf.cond(large == "", pixels, lambda: otherwise), large

    return tf.cond(begins, decoded, lambda: (otherwise, problem))


def upright(frame: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors a frame `[H, W, 3]` so that it is upright.

    Args:
        frame: Tensor, the pixels as they are stored.
        orientation: Scalar int32, of EXIF: which sides of the picture the first row and the first
            column are, 1 for top and left, 2 top right, 3 bottom right, 4 bottom left; from 5 on
            the first row is a side of it: left top, right top, right bottom, left bottom.
    """

    def turned() -> tf.Tensor:
        swapped = tf.cond(orientation >= 5, lambda: tf.transpose(frame, [1, 0, 2]), lambda: frame)
        down, right = (_any_of(orientation, which) for which in ((3, 4, 7, 8), (2, 3, 6, 7)))
        rows = tf.cond(down, lambda: swapped[::-1], lambda: swapped)
        return tf.cond(right, lambda: rows[:, ::-1], lambda: rows)

    return tf.cond(orientation > 1, turned, lambda: frame)


def orientation(file: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation of a JPEG file, int32 scalar from 1 to 8; 1 where it says none."""
    data = tf.io.decode_raw(tf.strings.substr(file, 0, _HEAD), tf.uint8)
    data = tf.cast(tf.pad(data, [[0, 16]]), tf.int64)
    tiff = _exif(data)
    big = _at(data, tiff) == ord("M")

    def number(at: tf.Tensor, size: int) -> tf.Tensor:
        values = _at(data, at[..., tf.newaxis] + tf.range(size, dtype=tf.int64))
        powers = tf.constant([256**k for k in range(size)], tf.int64)
        return tf.reduce_sum(values * tf.where(big, powers[::-1], powers), axis=-1)

    entries = tiff + number(tiff + 4, 4)
    each = entries + 2 + 12 * tf.range(_MOST_ENTRIES, dtype=tf.int64)
    is_it = (number(each, 2) == _ORIENTATION) & (number(each + 2, 2) == _SHORT)
    is_it &= (tf.range(_MOST_ENTRIES, dtype=tf.int64) < number(entries, 2)) & (tiff > 0)
    found = tf.reduce_max(tf.where(is_it, number(each + 8, 2), 0))
    return tf.cast(tf.where((found >= 1) & (found <= 8), found, 1), tf.int32)


def _exif(data: tf.Tensor) -> tf.Tensor:
    """The place where the TIFF file of EXIF begins, int64; 0 if there is none."""
    wanted = tf.constant([0xFF, 0xE1, 0, 0, *b"Exif\0\0"], tf.int64)
    ignored = tf.constant([False, False, True, True] + [False] * 6)  # the size

    def here(at: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all((_at(data, at + tf.range(10, dtype=tf.int64)) == wanted) | ignored)

    def is_other(at: tf.Tensor) -> tf.Tensor:
        marker = _at(data, at + 1)  # of an application's segment or a comment: those come first
        segment = ((marker >= 0xE0) & (marker <= 0xEF)) | (marker == 0xFE)
        return (_at(data, at) == 0xFF) & segment & ~here(at)

    (at,) = tf.while_loop(
        is_other,
        lambda at: (at + 2 + 256 * _at(data, at + 2) + _at(data, at + 3),),
        (tf.constant(2, tf.int64),),
        maximum_iterations=64,
    )
    return tf.where(here(at), at + 10, 0)


def _at(data: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """The bytes at places, of which none is outside."""
    return tf.gather(data, tf.clip_by_value(place, 0, tf.size(data, tf.int64) - 1))


def _any_of(value: tf.Tensor, wanted: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_any(value == tf.constant(wanted))
