"""One training run: devices, data, model, epochs, checkpoints, export."""
