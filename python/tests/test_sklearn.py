"""scikit-learn's own checks, and what its users do with an estimator."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from srnn import SRNNClassifier, SRNNRegressor

# What cannot hold, and why.
LENGTHS = "an array [N, T] is N sequences of T steps, and sequences may have any number of steps when they are told of"
EXPECTED = {
    "check_n_features_in_after_fitting": LENGTHS,
    "check_classifiers_train": LENGTHS,
    "check_transformer_general": LENGTHS,
}


def expected(estimator: Any) -> dict[str, str]:
    return EXPECTED


@parametrize_with_checks(
    [SRNNClassifier(random_state=0, device="cpu"), SRNNRegressor(random_state=0, device="cpu")],
    expected_failed_checks=expected,
)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)
