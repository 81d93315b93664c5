"""What a trained model does with its modalities: measures, intervals, explanations."""
