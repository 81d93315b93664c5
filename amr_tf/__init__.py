"""Attribution regularisation for multimodal models (AMR, arXiv 2404.02359) in TensorFlow/Keras."""

from amr_tf import heads, layers, methods, normalization
from amr_tf.attribution import attribute, attribution_shares, modality_attributions
from amr_tf.model import MultimodalClassifier
from amr_tf.regularizer import AttributionRegularizer

__version__ = "0.1.0"

__all__ = [
    "AttributionRegularizer",
    "MultimodalClassifier",
    "attribute",
    "attribution_shares",
    "heads",
    "layers",
    "methods",
    "modality_attributions",
    "normalization",
]
