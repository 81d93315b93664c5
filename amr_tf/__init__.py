"""Attribution regularisation for multimodal models (AMR, arXiv 2404.02359) in TensorFlow/Keras.

What is public is listed in `__all__`; modules whose names begin with an underscore are not.
"""

from amr_tf import (
    analysis,
    encoders,
    heads,
    layers,
    methods,
    modalities,
    normalization,
    ratios,
    serving,
    tasks,
)
from amr_tf.analysis.evaluation import Evaluator
from amr_tf.analysis.explanation import explain
from amr_tf.attribution import attribute, attribution_shares, modality_attributions
from amr_tf.encoders import register_encoder
from amr_tf.heads import register_head
from amr_tf.measures import measure_shares
from amr_tf.methods import register_method
from amr_tf.model import MultimodalClassifier
from amr_tf.regularizer import AttributionRegularizer
from amr_tf.saving import load_model

__version__ = "0.1.0"

__all__ = [
    "AttributionRegularizer",
    "Evaluator",
    "MultimodalClassifier",
    "analysis",
    "attribute",
    "attribution_shares",
    "encoders",
    "explain",
    "heads",
    "layers",
    "load_model",
    "measure_shares",
    "methods",
    "modalities",
    "modality_attributions",
    "normalization",
    "ratios",
    "register_encoder",
    "register_head",
    "register_method",
    "serving",
    "tasks",
]
