import numpy as np
import pytest

from utils.evaluation.calibration import fit_temperature, with_temperature


def test_the_temperature_that_made_scores_too_sure_is_found(rng):
    true = rng.random(20_000)
    anomalous = rng.random(20_000) < true
    sure = with_temperature(true, 1 / 3)  # three times as sure as right
    temperature = fit_temperature(sure, anomalous)
    assert temperature == pytest.approx(3, rel=0.05)
    assert with_temperature(sure, temperature) == pytest.approx(true, abs=0.02)


def test_scores_of_0_and_1_stay_finite():
    temperature = fit_temperature(np.array([0, 1, 1, 0.0]), [False, True, False, True])
    assert temperature == pytest.approx(50, rel=0.01)  # they are right by chance
    assert np.isfinite(with_temperature(np.array([0.0, 1.0]), temperature)).all()


def test_one_kind_of_video_has_no_temperature():
    assert fit_temperature(np.array([0.2, 0.9]), [True, True]) is None
