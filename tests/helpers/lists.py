"""Folders of features as make_lists reads them."""

import numpy as np
import pandas as pd

from helpers import golden
from utils.make_lists import main

UCF_ANNOTATIONS = """\
Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1
Abuse028_x264  Abuse  5  40  50  60
Arson001_x264.mp4  Arson  0  33  -1  -1
"""
UCF_FILES = {
    "Arson/Arson001_x264": 2,
    "Arson/Arson002_x264": 4,
    "Abuse/Abuse028_x264": 4,
    "Abuse/Abuse001_x264": 3,
    "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264": 5,
    "Training_Normal_Videos_Anomaly/Normal_Videos001_x264": 2,
}


def features(folder, counts, crops=range(10)):
    """Feature files of so many snippets each."""
    for name, count in counts.items():
        for crop in crops:
            path = folder / f"{name}__{crop}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.ones((count, 512), np.float16))
    return folder


def run_ucf(folder, *more):
    main(["ucf", "--features", f"{folder}/f", "--annotations", f"{folder}/a.txt",
          "--out", f"{folder}/list", *more])  # fmt: skip


def official_features(folder, name):
    """Feature files that are all zeros and take no room, with the official snippet counts."""
    counts = pd.read_csv(golden.REAL / "lists" / f"{name}_test_counts.csv")
    counts = dict(zip(counts["video"], counts["T"], strict=True))
    for listed in pd.read_csv(golden.REAL / "lists" / f"{name}_CLIP_rgbtest.csv").path:
        *_, parent, file = listed.split("/")
        path = folder / (f"{parent}/{file}" if name == "ucf" else file)
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (int(counts[file.rsplit("__", 1)[0]]), 512)
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    return folder
