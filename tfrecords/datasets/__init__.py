"""The data sets: each lists its clips with labels and splits."""
