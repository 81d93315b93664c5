"""Slow and late fusion: when a convolutional network for images meets the time of a clip.

Source: Karpathy et al., Large-scale Video Classification with Convolutional Neural Networks, CVPR
2014, section 3.1. There, C(channels, kernel, stride), N normalisation, P pooling 2x2:
C(96,11,3)-N-P-C(256,5,1)-N-P-C(384,3,1)-C(384,3,1)-C(256,3,1)-P-FC(4096)-FC(4096).
Here batch normalisation behind every layer has taken the place of N, which was local response
normalisation, and dropout is left to the methods.
"""

import keras

from amr_tf.encoders.common import Initializers, check_clips, conv3d, dense

# channels as in the paper, where `width` is 96; kernel; whether a pooling follows
LAYERS = ((96, 11, True), (256, 5, True), (384, 3, False), (384, 3, False), (256, 3, True))
UNITS = 4096


def slow_fusion(
    shape: tuple[int, ...], width: int = 96, seed: int = 0, name: str = "slow_fusion"
) -> keras.Model:
    """Builds Slow Fusion: the first three convolutions take in more and more of time.

    As published for 10 frames: the first sees 4 frames in steps of 2 and leaves 4 responses, the
    second and third see 2 in steps of 2. More frames leave more than one response, which fc6
    sees side by side. With fewer than 10 the first sees 2 frames in steps of 1, so that there is
    something left to fuse slowly.

    Example:
        >>> encoder = amr_tf.encoders.slow_fusion((4, 24, 24, 3), width=6)
        >>> encoder.output_shape
        (None, 256)

    Args:
        shape: Integers, the shape of one clip, `[T, H, W, channels]`, T >= 2. The size of fc6
            depends on it.
        width: Integer, the channels of the first convolution; 96 as published. The rest is in
            proportion.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, 4096 * width / 96]`.

    Raises:
        ValueError: The shape is not that of a clip.
    """
    check_clips(shape, name)
    first = (4, 2) if shape[0] >= 10 else (2, 1)
    return _network(shape, width, (first, (2, 2), (2, 2)), seed, name)


def late_fusion(
    shape: tuple[int, ...], width: int = 96, seed: int = 0, name: str = "late_fusion"
) -> keras.Model:
    """Builds Late Fusion: two frames by one network for images, merged in the first dense layer.

    In the paper they are 15 frames apart; here they are the clip's first and last.

    Example:
        >>> encoder = amr_tf.encoders.late_fusion((4, 24, 24, 3), width=6)
        >>> encoder.output_shape
        (None, 256)

    Args:
        shape: Integers, the shape of one clip, `[T, H, W, channels]`, T >= 2. The size of fc6
            depends on it.
        width: Integer, the channels of the first convolution; 96 as published. The rest is in
            proportion.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, 4096 * width / 96]`.

    Raises:
        ValueError: The shape is not that of a clip.
    """
    check_clips(shape, name)
    # one frame at a time in strides that end on the last: frames 0 and T - 1
    return _network(shape, width, ((1, shape[0] - 1),), seed, name)


def _network(
    shape: tuple[int, ...], width: int, times: tuple[tuple[int, int], ...], seed: int, name: str
) -> keras.Model:
    """The paper's network; `times` holds extent and stride in time of the first convolutions."""
    initializers = Initializers(seed, name)
    inputs = x = keras.Input(shape, name="inputs")
    for index, (channels, kernel, pools) in enumerate(LAYERS):
        extent, step = times[index] if index < len(times) else (1, 1)
        extent = min(extent, x.shape[1])
        # "same" in space; "valid" in time, but a frame left over is met by an empty one
        rest = (extent - x.shape[1]) % step
        x = keras.layers.ZeroPadding3D(
            ((0, rest), (kernel // 2,) * 2, (kernel // 2,) * 2), name=f"pad{index + 1}"
        )(x)
        stride = 1 if index else 3
        x = conv3d(
            x,
            _in_proportion(channels, width),
            (extent, kernel, kernel),
            f"conv{index + 1}",
            initializers,
            (step, stride, stride),
            padding="valid",
        )
        if pools:
            x = keras.layers.MaxPooling3D((1, 2, 2), padding="same", name=f"pool{index + 1}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for layer in ("fc6", "fc7"):
        x = dense(x, _in_proportion(UNITS, width), layer, initializers)
    return keras.Model(inputs, x, name=name)


def _in_proportion(published: int, width: int) -> int:
    return max(1, published * width // 96)
