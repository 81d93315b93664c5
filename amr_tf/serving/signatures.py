"""The functions that a served classifier offers, of core TensorFlow operations alone.

    serving_default   waveform [B, samples] float32, frames [B, T, H, W, 3] uint8
                      -> probabilities [B, C], class_id [B], label [B], shares [B, M]
    serving_media     audio [B] string (WAV), frames [B, T] string (JPEG) -> the same
    explain           as serving_default -> the same, shares_logit [B, M], and for each modality
                      attribution_<modality> [B, D]: Grad⊙Input of its encoding's D features

Batch, time and picture sizes are dynamic. A model of one modality takes that one's input alone and
has no shares. Attributions stop at the encodings, where the shares are made, which costs a pass
through the head; back to the pixels would cost two more passes through the encoders, and
`amr_tf.analysis.explanation` does that.
"""

import functools
from typing import Any

import tensorflow as tf

from amr_tf import _compat, features
from amr_tf.attribution import attribute, attribution_shares
from amr_tf.model import MultimodalClassifier
from amr_tf.serving import encoded_media

SIGNATURES = ("serving_default", "serving_media", "explain")
_ARRAYS = (
    tf.TensorSpec([None, None], tf.float32, "waveform"),
    tf.TensorSpec([None, None, None, None, 3], tf.uint8, "frames"),
)
_MEDIA = (
    tf.TensorSpec([None], tf.string, "audio"),
    tf.TensorSpec([None, None], tf.string, "frames"),
)
# output -> attribution target
_SHARES = {"shares": "probability", "shares_logit": "logit"}


class ServedClassifier(tf.Module):
    """The classifier as functions of raw clips.

    Args:
        model: The classifier, of the modalities `audio`, `video` or both.
        audio: The audio input, None without one.
        video: The video input, None without one.
        classes: Class names, by id.
    """

    def __init__(
        self,
        model: MultimodalClassifier,
        audio: features.AudioConfig | None,
        video: features.VideoConfig | None,
        classes: tuple[str, ...],
    ) -> None:
        super().__init__()
        # bound methods: a SavedModel would try to save a Keras model, its optimizers too
        self._encode, self._modalities = model.encode, model.modalities
        self._attribute = functools.partial(attribute, model.head)
        self._audio, self._video = audio, video
        self._classes = tf.constant(classes)
        # what predicts, and nothing that only training needs
        self.model_variables = _compat.tf_variables([*model.encoders.values(), model.head])

    def signature(self, name: str) -> Any:
        """A concrete function: keyword arguments -> named outputs.

        Args:
            name: One of `SIGNATURES`.
        """
        functions = {
            "serving_default": (self._serve, _ARRAYS),
            "serving_media": (self._serve_media, _MEDIA),
            "explain": (self._explain, _ARRAYS),
        }
        function, specs = functions[name]
        configs = zip(specs, (self._audio, self._video), strict=True)
        taken = {spec.name: spec for spec, config in configs if config}
        return tf.function(function, autograph=False).get_concrete_function(**taken)

    def _serve(
        self, waveform: tf.Tensor | None = None, frames: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        inputs = features.serving_features(waveform, frames, self._audio, self._video)
        return self._answer(inputs, ["shares"])[0]

    def _serve_media(
        self, audio: tf.Tensor | None = None, frames: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        inputs = encoded_media.media_features(
            audio, frames, self._audio, self._video, self._modalities
        )
        return self._answer(inputs, ["shares"])[0]

    def _explain(
        self, waveform: tf.Tensor | None = None, frames: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        inputs = features.serving_features(waveform, frames, self._audio, self._video)
        out, attributions = self._answer(inputs, list(_SHARES))
        for name, alpha in zip(self._modalities, attributions, strict=True):
            flat = tf.reshape(alpha, [tf.shape(alpha)[0], alpha.shape[1:].num_elements()])
            out[f"attribution_{name}"] = tf.cast(flat, tf.float32)
        return out

    def _answer(
        self, inputs: dict[str, tf.Tensor], shares: list[str]
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """The outputs, and the attributions of the first of the shares."""
        encodings = self._encode(inputs)
        targets = [_SHARES[name] for name in shares]
        # the forward passes are one and the same: the graph keeps a single copy
        found = [self._attribute(encodings, target) for target in targets]
        logits, attributions = found[0]
        top = tf.argmax(logits, axis=-1)
        out = {
            "probabilities": tf.nn.softmax(tf.cast(logits, tf.float32)),
            "class_id": top,
            "label": tf.gather(self._classes, top),
        }
        if len(encodings) > 1:
            pooled = [attribution_shares(alphas) for _, alphas in found]
            out |= dict(zip(shares, pooled, strict=True))
        return out, attributions
