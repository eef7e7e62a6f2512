"""What `predict: scoring:probabilities` in lime.yaml names."""

import numpy as np
import pandas as pd


def probabilities(frame: pd.DataFrame, model) -> np.ndarray:
    """Return one column for each class, given the loaded model."""
    positive = 1.0 / (1.0 + np.exp(-model.predict(frame)))
    return np.column_stack([1.0 - positive, positive])
