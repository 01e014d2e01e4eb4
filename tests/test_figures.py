import numpy as np

from test_metrics import case  # noqa: F401
from utils.figures.scores import caption, choose_videos, score_curves
from utils.figures.style import save
from utils.labels import UCF_CRIME


def test_anomalous_videos_of_different_classes_come_first(case):  # noqa: F811
    _, _, rows = case
    assert choose_videos(rows, anomalous=2, normal=1) == [0, 1, 2]
    assert choose_videos([rows[0], rows[0], rows[1]], anomalous=2, normal=1) == [0, 2]


def test_captions_name_the_likeliest_anomaly(case):  # noqa: F811
    predictions, _, rows = case
    sure = predictions[0]._replace(probabilities=np.eye(14)[[0, 0, 3]])
    assert caption(sure, rows[0], UCF_CRIME) == "Abuse (Abuse), taken for Arson"
    assert caption(predictions[2], rows[2], UCF_CRIME) == "Normal (Normal)"


def test_a_picture_is_written(case, tmp_path):  # noqa: F811
    predictions, truth, rows = case
    figure = score_curves({"a": predictions}, truth, rows, UCF_CRIME, [0, 2])
    png, svg = save(figure, tmp_path, "a")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()
