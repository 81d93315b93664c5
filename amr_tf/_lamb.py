"""LAMB of tensorflow-addons for Keras 2.15, made to fit the train step and `.keras` files.

Imported only where it is used: tensorflow-addons is at its end of life and imports only on
TensorFlow 2.13 to 2.15.
"""

import warnings
from typing import Any

import keras

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the end-of-life notice
        from tensorflow_addons.optimizers import LAMB as AddonsLAMB
except ImportError as error:
    raise ImportError(
        "LAMB on Keras 2 comes from tensorflow-addons: `pip install tensorflow-addons==0.23.0` "
        "on Python 3.10 or 3.11, or use Python 3.12 and Keras 3, which has its own"
    ) from error


@keras.saving.register_keras_serializable(package="amr_tf")
class LAMB(AddonsLAMB):
    """LAMB (You et al. 2020, arXiv 1904.00962), an optimizer of Keras' older kind.

    Adds what the newer kind has: `build`, and gradients that the caller has summed.
    """

    def build(self, variables: list) -> None:
        """Makes the moments of each variable."""
        self._create_all_weights(variables)

    def apply_gradients(
        self, grads_and_vars: Any, skip_gradients_aggregation: bool = False, **kwargs: Any
    ) -> Any:
        """Applies gradients, which may be summed over the replicas already."""
        return super().apply_gradients(
            grads_and_vars,
            experimental_aggregate_gradients=not skip_gradients_aggregation,
            **kwargs,
        )
