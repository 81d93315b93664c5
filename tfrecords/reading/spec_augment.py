"""SpecAugment's masks (Park et al. 2019), from tensorflow-io."""

from collections.abc import Callable

import tensorflow as tf

from amr_tf.modalities import Augment


def masks(augment: Augment, seed: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function that masks one band of time and one of frequency in each spectrogram.

    tensorflow-io draws from TensorFlow's stateful generator: used in a sequential `map`, the
    masks repeat from run to run, but they start anew where a stream starts in its middle.

    Args:
        augment: The widest masks, in steps of time and bins of frequency.
        seed: Of the masks.

    Returns:
        `[B, T, F, 1]` float32 -> the same, masked parts at the spectrogram's mean. For the
        function of one `tf.data` map: it sets that graph's seed.

    Raises:
        ImportError: tensorflow-io does not work here.
    """
    try:
        import tensorflow_io as tfio

        functions = tfio.audio.time_mask, tfio.audio.freq_mask
    except (ImportError, NotImplementedError, AttributeError) as error:
        raise ImportError(
            "SpecAugment's masks need tensorflow-io, which works with TensorFlow 2.15 on Python "
            "3.10 and 3.11: use one of these, or leave the masks at 0"
        ) from error
    widths = augment.spec_augment_time, augment.spec_augment_freq

    def masked(spectrogram: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(spectrogram)
        bands = spectrogram[..., 0] - mean  # the functions mask with 0
        for function, width in zip(functions, widths, strict=True):
            if width:
                bands = function(bands, width)
        return bands[..., tf.newaxis] + mean

    def batch(spectrograms: tf.Tensor) -> tf.Tensor:
        tf.compat.v1.get_default_graph().seed = seed
        out = tf.map_fn(masked, spectrograms, parallel_iterations=1)
        return tf.ensure_shape(out, spectrograms.shape)

    return batch
