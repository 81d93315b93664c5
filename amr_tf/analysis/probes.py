"""Linear probes: how much of the class a linear classifier finds in an encoder's frozen encodings.

A head can reach any ratio of attributions by rescaling; probes show whether the encoders learnt.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.measurement import PERCENT, Measurement
from amr_tf.analysis.subject import Subject


def linear_probe(inverse_penalty: float = 1.0, iterations: int = 1000) -> Pipeline:
    """A logistic regression, not fitted yet, on standardised features.

    Args:
        inverse_penalty: Float, C of scikit-learn: the smaller, the smaller the weights.
        iterations: Integer, the most steps of the solver.
    """
    # standardised: the penalty on the weights then means the same for every encoder
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=inverse_penalty, max_iter=iterations)
    )


def probe_predictions(
    train: np.ndarray,
    labels: np.ndarray,
    test: np.ndarray,
    inverse_penalty: float = 1.0,
    iterations: int = 1000,
) -> np.ndarray:
    """The classes that logistic regression on encodings predicts.

    Args:
        train: Array `[N, ...]`, encodings to fit it to.
        labels: Array `[N]`, their class ids, of two classes or more.
        test: Array `[K, ...]`, encodings to predict the classes of.
        inverse_penalty: Float, C of scikit-learn: the smaller, the smaller the weights.
        iterations: Integer, the most steps of the solver.

    Returns:
        Array `[K]` of class ids.
    """
    probe = linear_probe(inverse_penalty, iterations)
    return probe.fit(train.reshape(len(train), -1), labels).predict(test.reshape(len(test), -1))


def measure_probes(subject: Subject, boots: Bootstrap) -> tuple[Measurement, ...]:
    """The accuracy of a linear probe of each encoder.

    Example:
        >>> found = amr_tf.analysis.measure_probes(subject, boots)
        >>> [one.name for one in found]
        ['audio / accuracy', 'video / accuracy']

    Args:
        subject: Subject, a model on a split.
        boots: Bootstrap, the resamples of its clips.

    Returns:
        A measurement for each modality; NaN where the training clips are of one class.
    """
    labels, found = subject.train.labels, []
    for name in subject.modalities:
        draws = np.full(boots.weights.shape[1], np.nan)
        if len(np.unique(labels)) > 1:
            train, test = (split.values[name] for split in (subject.train, subject.test))
            predicted = probe_predictions(train, labels, test)
            draws = boots.mean(predicted == subject.test.labels)
        found.append(Measurement(name, "", "accuracy", PERCENT, draws))
    return tuple(found)
