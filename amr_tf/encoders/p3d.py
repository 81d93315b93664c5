"""P3D: a ResNet whose 3x3x3 convolutions are split into space (1x3x3) and time (3x1x1).

Source: Qiu et al., Learning Spatio-Temporal Representation with Pseudo-3D Residual Networks,
ICCV 2017, section 3; strides and poolings as in the authors' published network definition.
"""

import keras
import tensorflow as tf

from amr_tf.encoders.common import Initializers, check_clips, conv3d

# depth -> blocks of the stages res2 to res5; 63, 131 and 199 are ResNet-50, -101 and -152
DEPTHS = {17: (1, 1, 1, 1), 63: (3, 4, 6, 3), 131: (3, 4, 23, 3), 199: (3, 8, 36, 3)}


def p3d(
    shape: tuple[int, ...], width: int = 64, depth: int = 63, seed: int = 0, name: str = "p3d"
) -> keras.Model:
    """Builds a P3D ResNet without its classifier.

    A 1x7x7 convolution, bottleneck blocks of the kinds A, B, C in turn (see `_space_time`), the
    mean over what is left of time and space. Max pooling halves time before each stage; a rest
    of one counts as a step of its own, so that few frames last through all of them. The last
    stage is two-dimensional. Dropout is left to the methods.

    Example:
        >>> encoder = amr_tf.encoders.p3d((4, 16, 16, 3), width=2, depth=17)
        >>> encoder.output_shape
        (None, 64)

    Args:
        shape: Integers, the shape of one clip, `[T, H, W, channels]`, T >= 2.
        width: Integer, the channels of the first stage; 64 as published.
        depth: Integer, the layers, a classifier counted: 63, 131, 199 as published; 17 has one
            block a stage.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, 32 * width]`.

    Raises:
        ValueError: The shape is not that of a clip, or there is no such depth.
    """
    check_clips(shape, name)
    if depth not in DEPTHS:
        raise ValueError(f"{name}: P3D has a depth of {', '.join(map(str, DEPTHS))}, not {depth}")
    initializers = Initializers(seed, name)
    inputs = keras.Input(shape, name="inputs")
    x = conv3d(inputs, width, (1, 7, 7), "conv1", initializers, (1, 2, 2))
    x = keras.layers.MaxPooling3D((2, 3, 3), (2, 2, 2), padding="same", name="pool1")(x)
    kinds = 0
    for stage, blocks in enumerate(DEPTHS[depth]):
        if stage:
            x = keras.layers.MaxPooling3D((2, 1, 1), padding="same", name=f"pool{stage + 1}")(x)
        for block in range(blocks):
            kind = "ABC"[kinds % 3] if stage < 3 else "2D"
            stride = 2 if stage and not block else 1
            x = _block(x, width << stage, stride, kind, f"res{stage + 2}_{block}", initializers)
            kinds += 1
    return keras.Model(inputs, keras.layers.GlobalAveragePooling3D(name="mean")(x), name=name)


def _block(
    x: tf.Tensor, channels: int, stride: int, kind: str, name: str, initializers: Initializers
) -> tf.Tensor:
    """A bottleneck: 1x1x1 to `channels`, space and time, 1x1x1 to four times as many."""
    strides = (1, stride, stride)
    shortcut = x
    if x.shape[-1] != 4 * channels:
        shortcut = conv3d(x, 4 * channels, 1, f"{name}_shortcut", initializers, strides, relu=False)
    x = conv3d(x, channels, 1, f"{name}_in", initializers, strides)
    x = _space_time(x, channels, kind, name, initializers)
    x = conv3d(x, 4 * channels, 1, f"{name}_out", initializers, relu=False)
    x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _space_time(
    x: tf.Tensor, channels: int, kind: str, name: str, initializers: Initializers
) -> tf.Tensor:
    """Figure 3 of the paper: A is T(S(x)), B is S(x) + T(x), C is S(x) + T(S(x)); 2D is S(x)."""
    space = conv3d(x, channels, (1, 3, 3), f"{name}_space", initializers)
    if kind == "2D":
        return space
    time_input = x if kind == "B" else space
    time = conv3d(time_input, channels, (3, 1, 1), f"{name}_time", initializers, relu=kind == "A")
    if kind == "A":
        return time
    # the published definition halves this sum in C, which the next normalisation undoes
    both = keras.layers.Add(name=f"{name}_space_time")([space, time])
    return keras.layers.ReLU(name=f"{name}_space_time_relu")(both)
