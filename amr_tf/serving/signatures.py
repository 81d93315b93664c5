"""The functions that a served classifier offers, of core TensorFlow operations alone.

    serving_default   for each modality its array -> probabilities [B, C], class_id [B], label [B],
                      shares [B, M]
    serving_media     for each modality its files' bytes -> the same
    explain           as serving_default -> the same, shares_logit [B, M], and for each modality
                      attribution_<modality> [B, D]: Grad⊙Input of its encoding's D features

What a client sends of a modality depends on its kind:

    audio      waveform [B, samples] float32        or   audio [B] string (WAV)
    video      frames [B, T, H, W, 3] uint8         or   frames [B, T] string (JPEG)
    features   <modality> [B, ...] float32

The inputs of a modality that is not called like its kind begin with its name: `flow_frames`. Batch,
time and picture sizes are dynamic. A model of one modality has no shares. A model that takes
features has no `serving_media`. Attributions stop at the encodings, where the shares are made,
which costs a pass through the head; back to the pixels would cost two more passes through the
encoders, and `amr_tf.analysis.explanation` does that.
"""

import functools
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from amr_tf import _compat
from amr_tf.attribution import attribute, attribution_shares
from amr_tf.modalities import Modality
from amr_tf.modalities.audio import fit_length, log_spectrogram, tiled
from amr_tf.modalities.video import even_frames, normalize_frames, resize_center
from amr_tf.model import MultimodalClassifier
from amr_tf.serving.encoded_media import media_features

MEDIA = ("audio", "video")  # kinds that come in files
# output -> attribution target
_SHARES = {"shares": "probability", "shares_logit": "logit"}


def input_name(modality: str, kind: str, media: bool = False) -> str:
    """The name of a modality's input in a signature.

    Args:
        modality: String, the modality.
        kind: String, its kind.
        media: Boolean, whether the input is files' bytes.
    """
    if kind not in MEDIA:
        return modality
    base = {"audio": "audio" if media else "waveform", "video": "frames"}[kind]
    return base if modality == kind else f"{modality}_{base}"


class ServedClassifier(tf.Module):
    """The classifier as functions of raw clips.

    Example:
        >>> modality = amr_tf.modalities.FeaturesConfig
        >>> kinds = {"audio": modality((5,)), "video": modality((7,))}
        >>> served = amr_tf.serving.ServedClassifier(model, kinds, classes=("a", "b", "c"))
        >>> served.signature_names
        ('serving_default', 'explain')
        >>> served.signature("serving_default")(**inputs)["shares"].shape
        TensorShape([12, 2])

    Args:
        model: The classifier.
        inputs: Mapping, modality -> the model's input, in the model's order.
        classes: Strings, the class names by id.
    """

    def __init__(
        self,
        model: MultimodalClassifier,
        inputs: Mapping[str, Modality],
        classes: tuple[str, ...],
    ) -> None:
        super().__init__()
        # bound methods: a SavedModel would try to save a Keras model, its optimizers too
        self._encode, self._modalities = model.encode, model.modalities
        self._attribute = functools.partial(attribute, model.head)
        # a tuple: tf.Module would wrap a dict, and lose its order when it is saved
        self._inputs = tuple((name, inputs[name]) for name in model.modalities)
        self._classes = tf.constant(classes)
        # what predicts, and nothing that only training needs
        self.model_variables = _compat.tf_variables([*model.encoders.values(), model.head])

    @property
    def signature_names(self) -> tuple[str, ...]:
        """The signatures that the model has."""
        media = all(modality.kind in MEDIA for _, modality in self._inputs)
        return ("serving_default", *(["serving_media"] if media else []), "explain")

    def signature(self, name: str) -> Any:
        """A concrete function: keyword arguments -> named outputs.

        Args:
            name: String, one of `signature_names`.
        """
        functions = {
            "serving_default": self._serve,
            "serving_media": self._serve_media,
            "explain": self._explain,
        }
        specs = [self._spec(m, modality, name == "serving_media") for m, modality in self._inputs]
        taken = {spec.name: spec for spec in specs}
        return tf.function(functions[name], autograph=False).get_concrete_function(**taken)

    def _spec(self, name: str, modality: Modality, media: bool) -> tf.TensorSpec:
        if media:
            shape, dtype = [None] if modality.kind == "audio" else [None, None], tf.string
        elif modality.kind == "audio":
            shape, dtype = [None, None], tf.float32
        elif modality.kind == "video":
            shape, dtype = [None, None, None, None, 3], tf.uint8
        else:
            shape, dtype = [None, *modality.shape], tf.float32
        return tf.TensorSpec(shape, dtype, input_name(name, modality.kind, media))

    def _serve(self, **arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._answer(array_features(arrays, dict(self._inputs)), ["shares"])[0]

    def _serve_media(self, **files: tf.Tensor) -> dict[str, tf.Tensor]:
        named = {m: files[input_name(m, i.kind, media=True)] for m, i in self._inputs}
        return self._answer(media_features(named, dict(self._inputs)), ["shares"])[0]

    def _explain(self, **arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = array_features(arrays, dict(self._inputs))
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


def array_features(
    arrays: Mapping[str, tf.Tensor], inputs: Mapping[str, Modality]
) -> dict[str, tf.Tensor]:
    """What the evaluation pipeline makes of the same clips.

    Args:
        arrays: Mapping, name of an input (see `input_name`) -> `[B, n]` float32 in [-1, 1] at the
            model's rate, where samples that are not finite count as 0; `[B, T, H, W, 3]` uint8,
            RGB, T of 1 or more; `[B, ...]` float32.
        inputs: Mapping, modality -> the model's input.

    Returns:
        Modality -> input of its encoder, float32.
    """
    found = {}
    for name, modality in inputs.items():
        x = arrays[input_name(name, modality.kind)]
        if modality.kind == "audio":
            x = tf.where(tf.math.is_finite(x), x, 0.0)
            fitted = fit_length(tiled(x, modality), modality.samples)
            found[name] = log_spectrogram(fitted, modality)
        elif modality.kind == "video":
            chosen = tf.gather(x, even_frames(tf.shape(x)[1], modality.frames), axis=1)
            found[name] = normalize_frames(resize_center(chosen, modality.size), modality)
        else:
            found[name] = modality.features(x)
    return found
