"""C3D: 3x3x3 convolutions over space and time.

Source: Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015;
the network of its section 3.3 (figure 3) and the smaller one of its search, section 3.1.
"""

import keras

from amr_tf.encoders.common import Initializers, check_clips, conv3d, dense

# depth -> per stage the convolutions' channels, in widths; units of fc6 and fc7, in widths
VARIANTS = {
    5: (((1,), (2,), (4,), (4,), (4,)), 32),
    8: (((1,), (2,), (4, 4), (8, 8), (8, 8)), 64),
}


def c3d(
    shape: tuple[int, ...],
    width: int = 64,
    depth: int = 8,
    batch_norm: bool = True,
    seed: int = 0,
    name: str = "c3d",
) -> keras.Model:
    """Builds a C3D without its classifier: convolutions, a pooling behind each stage, fc6, fc7.

    Poolings halve height, width and time, the first not time; a rest of one counts as a step of
    its own, so that few frames last through all of them. 16 frames of 112 x 112 end as 1 x 4 x 4.
    Differs from the paper by the batch normalisation behind every convolution and fully connected
    layer, which Carreira and Zisserman (2017, section 2.2) add in order to train from scratch, and
    by leaving dropout to the methods.

    Example:
        >>> encoder = amr_tf.encoders.c3d((4, 16, 16, 3), width=2, depth=5)
        >>> encoder.output_shape
        (None, 64)

    Args:
        shape: Integers, the shape of one clip, `[T, H, W, channels]`, T >= 2. The size of fc6
            depends on it.
        width: Integer, the channels of the first convolution; 64 as published.
        depth: Integer, the convolutions: 8 as published, 5 for the network of the paper's search.
        batch_norm: Boolean, whether batch normalisation follows each layer; False for only the
            published layers: 79,991,015 parameters with a classifier of 487 classes.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, 64 * width]` (`32 * width` with 5 layers).

    Raises:
        ValueError: The shape is not that of a clip, or there is no such depth.
    """
    check_clips(shape, name)
    if depth not in VARIANTS:
        raise ValueError(f"{name}: C3D has a depth of 5 or 8, not {depth}")
    stages, units = VARIANTS[depth]
    initializers = Initializers(seed, name)
    inputs = x = keras.Input(shape, name="inputs")
    for stage, multiples in enumerate(stages):
        for index, multiple in enumerate(multiples):
            layer = f"conv{stage + 1}{'ab'[index] if len(multiples) > 1 else ''}"
            x = conv3d(x, multiple * width, 3, layer, initializers, batch_norm=batch_norm)
        size = (2, 2, 2) if stage else (1, 2, 2)
        x = keras.layers.MaxPooling3D(size, padding="same", name=f"pool{stage + 1}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for layer in ("fc6", "fc7"):
        x = dense(x, units * width, layer, initializers, batch_norm)
    return keras.Model(inputs, x, name=name)
