"""A trained classifier as a SavedModel: signatures, export, warm-up requests."""
