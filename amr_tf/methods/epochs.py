"""Methods hear of epochs as Keras callbacks do."""

import keras


class MethodEpochs(keras.callbacks.Callback):
    """Tells the model's method of epochs, and the model which one it is in."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Notes the epoch, and tells the method."""
        self.model.epoch.assign(epoch)
        self.model.method.on_epoch_begin(self.model, epoch)
        self.model.make_train_function()  # of the method's phase

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Tells the method, with the epoch's logs."""
        self.model.method.on_epoch_end(self.model, epoch, logs or {})
