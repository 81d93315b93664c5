"""The methods to train with: each a small plug-in of the one train step.

A new method is one new file and one line below; a user's own is registered by `register_method`.
"""

from typing import Any

import keras

from amr_tf._registry import Registry
from amr_tf.methods.agm import AGM
from amr_tf.methods.base import Context, HeldOut, Method
from amr_tf.methods.cggm import CGGM
from amr_tf.methods.cml import CML
from amr_tf.methods.dgl import DGL
from amr_tf.methods.dropout import Dropout
from amr_tf.methods.g2d import G2D
from amr_tf.methods.gge import GGE
from amr_tf.methods.gradient_blending import GradientBlending
from amr_tf.methods.inforeg import InfoReg
from amr_tf.methods.learned_lfm import LearnedLFM
from amr_tf.methods.lfm import LFM
from amr_tf.methods.mla import MLA
from amr_tf.methods.mmcosine import MMCosine
from amr_tf.methods.mmpareto import MMPareto
from amr_tf.methods.modality_dropout import ModalityDropout
from amr_tf.methods.modality_valuation import ModalityValuation
from amr_tf.methods.mses import MSES
from amr_tf.methods.mslr import MSLR
from amr_tf.methods.naive import Naive
from amr_tf.methods.ogm import OGM, OGMGE
from amr_tf.methods.opm import OPM
from amr_tf.methods.pmr import PMR
from amr_tf.methods.reconboost import ReconBoost
from amr_tf.methods.relearning import Relearning
from amr_tf.methods.ume import UME
from amr_tf.methods.umt import UMT
from amr_tf.methods.unimodal import Unimodal

METHODS: Registry[type[Method]] = Registry("method")


def register_method(name: str, method: type[Method] | None = None) -> Any:
    """Registers a method, so that commands know it by a name and saved models find it again.

    Example:
        >>> @amr_tf.register_method("quiet")
        ... class Quiet(amr_tf.methods.Method):
        ...     help = "halves the loss"
        ...
        ...     def loss(self, context):
        ...         return 0.5 * super().loss(context)
        >>> "quiet" in amr_tf.methods.METHODS
        True

    Args:
        name: String, a lower-case identifier, as in `--method=NAME`.
        method: Class, a subclass of `Method`; without one, this is a decorator.

    Returns:
        The class, or the decorator.

    Raises:
        TypeError: It is not a subclass of `Method`.
        ValueError: The name is not a lower-case identifier, or another method has it.
    """

    def register(method: type[Method]) -> type[Method]:
        if not (isinstance(method, type) and issubclass(method, Method)):
            raise TypeError(f"a method is a subclass of amr_tf.methods.Method, not {method!r}")
        if keras.saving.get_registered_name(method) == method.__name__:
            package = method.__module__.split(".")[0]
            keras.saving.register_keras_serializable(package=package)(method)
        return METHODS.register(name, method)

    return register if method is None else register(method)


register_method("naive", Naive)
register_method("unimodal", Unimodal)
register_method("dropout", Dropout)
register_method("modality_dropout", ModalityDropout)
register_method("umt", UMT)
register_method("ogm", OGM)
register_method("ogm_ge", OGMGE)
register_method("gradient_blending", GradientBlending)
register_method("gge", GGE)
register_method("mmpareto", MMPareto)
register_method("agm", AGM)
register_method("dgl", DGL)
register_method("mmcosine", MMCosine)
register_method("cml", CML)
register_method("opm", OPM)
register_method("pmr", PMR)
register_method("mslr", MSLR)
register_method("mses", MSES)
register_method("relearning", Relearning)
register_method("lfm", LFM)
register_method("lfm_learned", LearnedLFM)
register_method("mla", MLA)
register_method("reconboost", ReconBoost)
register_method("cggm", CGGM)
register_method("inforeg", InfoReg)
register_method("modality_valuation", ModalityValuation)
register_method("g2d", G2D)
register_method("ume", UME)

__all__ = [
    "AGM",
    "CGGM",
    "CML",
    "DGL",
    "G2D",
    "GGE",
    "LFM",
    "METHODS",
    "MLA",
    "MSES",
    "MSLR",
    "OGM",
    "OGMGE",
    "OPM",
    "PMR",
    "UME",
    "UMT",
    "Context",
    "Dropout",
    "GradientBlending",
    "HeldOut",
    "InfoReg",
    "LearnedLFM",
    "MMCosine",
    "MMPareto",
    "Method",
    "ModalityDropout",
    "ModalityValuation",
    "Naive",
    "ReconBoost",
    "Relearning",
    "Unimodal",
    "register_method",
]
