import gc
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import ucf_option
import xd_option
from helpers.lists import UCF_ANNOTATIONS, UCF_FILES, features
from helpers.memory import give_back
from helpers.scripts import SCRIPTS, SMALL, make_data
from helpers.small_clip import small_clip
from helpers.spoiling import World
from helpers.truth import truth_of_frames
from model import build_model
from utils.datasets.lists import Row
from utils.evaluation.scored_videos import Prediction
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.options.parser import as_arguments


def pytest_collection_finish():
    """What was imported stays: collections need not look at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def memory_is_given_back():
    yield
    give_back()


@pytest.fixture(scope="module", autouse=True)
def clip_of_this_module(request):
    """CLIP is small, but in modules that are marked `real_clip`."""
    with nullcontext() if request.node.get_closest_marker("real_clip") else small_clip():
        yield


@pytest.fixture(scope="session")
def ucf_args():
    return ucf_option.parser.parse_args(SMALL)


@pytest.fixture(scope="session")
def xd_args():
    return xd_option.parser.parse_args(SMALL)


@pytest.fixture(scope="module")
def ucf_model(ucf_args):
    """A freshly initialised small model; tests leave its weights as they are."""
    torch.manual_seed(0)
    return build_model(ucf_args, UCF_CRIME)


@pytest.fixture(scope="module")
def xd_model(xd_args):
    torch.manual_seed(0)
    return build_model(xd_args, XD_VIOLENCE)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def batch():
    """Features (3, 32, 512) with zeros behind each video's end, and the lengths."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([32, 20, 7])
    visual = torch.randn(3, 32, 512, generator=generator)
    for video, length in zip(visual, lengths, strict=True):
        video[length:] = 0
    return visual, lengths


@pytest.fixture
def scored(rng, tmp_path):
    """Predictions of three videos, their ground truth and the rows of their list."""
    labels, lengths = ("Abuse", "Arson", "Normal"), (6, 9, 5)
    rows = [Row(tmp_path / f"{label}__5.npy", UCF_CRIME.encode(label)) for label in labels]
    segments = [[(10, 50)], [(0, 30), (90, 144)], [(0, 80)]]
    frames = np.zeros(16 * sum(lengths), dtype=np.float32)
    frames[10:50] = frames[96:126] = frames[186:240] = 1
    truth = truth_of_frames(frames, lengths, segments, [["Abuse"], ["Arson", "Arson"], ["A"]])
    predictions = []
    for t in lengths:
        p = rng.random((t, 14)).astype(np.float32)
        predictions.append(Prediction(rng.random(t).astype(np.float32), p / p.sum(1)[:, None]))
    return predictions, truth, rows


@pytest.fixture
def ucf_features(tmp_path):
    """A folder of features `f` and annotations `a.txt` that make_lists reads."""
    features(tmp_path / "f", UCF_FILES)
    (tmp_path / "a.txt").write_text(UCF_ANNOTATIONS)
    return tmp_path


@pytest.fixture(scope="session", params=["ucf", pytest.param("xd", marks=pytest.mark.slow)])
def small(request, tmp_path_factory):
    """Name and options of a data set of a few videos."""
    folder = tmp_path_factory.mktemp(request.param)
    sizes = {"train_videos": 3, "test_videos": 6}
    return request.param, make_data(folder, request.param, **sizes)


@pytest.fixture(scope="session")
def small_ucf(tmp_path_factory):
    """Its options, of UCF-Crime's kind."""
    return make_data(tmp_path_factory.mktemp("ucf"), "ucf", train_videos=3, test_videos=6)


@pytest.fixture(scope="session")
def bases(tmp_path_factory):
    """Both data sets, and weights that fit the small model of each."""
    made = {}
    for name, module in (("ucf", ucf_option), ("xd", xd_option)):
        folder = tmp_path_factory.mktemp(name)
        options = make_data(folder, name, train_videos=3, test_videos=4)
        args = module.parser.parse_args(as_arguments(options))
        torch.manual_seed(0)
        with small_clip():
            state = build_model(args, SCRIPTS[name].facts).state_dict()
        weights = tmp_path_factory.mktemp("weights") / "w.pth"
        torch.save(state, weights)
        made[name] = SimpleNamespace(folder=folder, options=options, weights=weights, state=state)
    return made


@pytest.fixture
def world(request, bases, tmp_path):
    name = "xd" if "xd" in request.param else "ucf"
    return World(bases[name], name, tmp_path)
