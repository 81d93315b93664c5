"""The methods to train with: each a small plug-in of the one train step.

A new method is one new file and one line of `METHODS`.
"""

from amr_tf.methods.agm import AGM
from amr_tf.methods.base import Context, Method
from amr_tf.methods.dgl import DGL
from amr_tf.methods.dropout import Dropout
from amr_tf.methods.gge import GGE
from amr_tf.methods.gradient_blending import BlendingData, GradientBlending
from amr_tf.methods.mmpareto import MMPareto
from amr_tf.methods.modality_dropout import ModalityDropout
from amr_tf.methods.naive import Naive
from amr_tf.methods.ogm import OGM, OGMGE
from amr_tf.methods.ume import UME
from amr_tf.methods.umt import UMT
from amr_tf.methods.unimodal import Unimodal

METHODS = {
    "naive": Naive,
    "unimodal": Unimodal,
    "dropout": Dropout,
    "modality_dropout": ModalityDropout,
    "umt": UMT,
    "ogm": OGM,
    "ogm_ge": OGMGE,
    "gradient_blending": GradientBlending,
    "gge": GGE,
    "mmpareto": MMPareto,
    "agm": AGM,
    "dgl": DGL,
    "ume": UME,
}

__all__ = [
    "AGM",
    "DGL",
    "GGE",
    "METHODS",
    "OGM",
    "OGMGE",
    "UME",
    "UMT",
    "BlendingData",
    "Context",
    "Dropout",
    "GradientBlending",
    "MMPareto",
    "Method",
    "ModalityDropout",
    "Naive",
    "Unimodal",
]
