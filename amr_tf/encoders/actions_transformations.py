"""Actions as transformations of what was before into what is after.

Source: Wang, Farhadi, Gupta, Actions ~ Transformations, CVPR 2016 (arXiv 1512.00795), section 4.
"""

import keras

from amr_tf.encoders.common import Initializers, check_clips
from amr_tf.encoders.resnet import resnet18
from amr_tf.layers import Cosine, FoldFrames, UnfoldFrames


def actions_transformations(
    shape: tuple[int, ...],
    width: int = 64,
    transformations: int = 101,
    seed: int = 0,
    name: str = "actions_transformations",
) -> keras.Model:
    """Builds the Siamese network: `encoding_k = cos(T_k f(precondition), f(effect))`.

    f embeds a set of frames: one network for images, the mean over the frames, one linear layer.
    Each T_k is a learned linear map. In the paper k is an action, and the action of the largest
    cosine is the answer; here the cosines are the encoding, for the head to weigh.

    Differs from the paper: the network for images is a ResNet-18, not VGG-16, trained from
    scratch; a clip is cut in its middle, where the paper searches for the best cut between its
    first and last third (of an odd number of frames, the middle one belongs to both halves); the
    contrastive loss gives way to the task's.

    Example:
        >>> build = amr_tf.encoders.actions_transformations
        >>> encoder = build((2, 32, 32, 3), width=2, transformations=5)
        >>> encoder.output_shape
        (None, 5)

    Args:
        shape: Integers, the shape of one clip, `[T, H, W, channels]`, T >= 2.
        width: Integer, the channels of the ResNet-18's first stage; embeddings have `8 * width`
            features, 512 as published.
        transformations: Integer, K; the paper's number of actions, 101 on UCF101.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, K]`, in [-1, 1]; 0 where there is no direction
        to compare.

    Raises:
        ValueError: The shape is not that of a clip, or K is not positive.
    """
    check_clips(shape, name)
    if transformations < 1:
        raise ValueError(f"{name}: there must be a transformation, not {transformations}")
    initializers = Initializers(seed, name)
    frames, features = shape[0], 8 * width
    inputs = keras.Input(shape, name="inputs")
    images = resnet18(shape[1:], width, seed, f"{name}_frame")
    each = images(FoldFrames(name="fold")(inputs))
    each = UnfoldFrames(frames, name="unfold")(each)
    embed = keras.layers.Dense(features, kernel_initializer=initializers.kaiming(), name="embed")
    others = frames // 2  # of an odd number, the middle frame is in both halves
    halves = []
    for half, cut in (("precondition", (0, others)), ("effect", (others, 0))):
        x = keras.layers.Cropping1D(cut, name=half)(each)
        halves.append(embed(keras.layers.GlobalAveragePooling1D(name=f"{half}_mean")(x)))
    transformed = keras.layers.Dense(
        transformations * features,
        use_bias=False,
        kernel_initializer=initializers.kaiming(),
        name="transformations",
    )(halves[0])
    transformed = keras.layers.Reshape((transformations, features), name="transformed")(transformed)
    effect = keras.layers.Reshape((1, features), name="observed")(halves[1])
    return keras.Model(inputs, Cosine(name="cosines")([transformed, effect]), name=name)
