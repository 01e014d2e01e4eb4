import pytest
import torch

from helpers import golden
from utils.network.clip_visual import VisualTower

pytestmark = pytest.mark.real_clip


@golden.needs_goldens
def test_the_visual_tower_is_that_of_the_released_files():
    tower = VisualTower("random", torch.device("cpu"), "fp32").tower
    prefix = "clipmodel.visual."
    released = golden.official_shapes("ucf").items()
    expected = {k.removeprefix(prefix): shape for k, shape in released if k.startswith(prefix)}
    assert {name: list(value.shape) for name, value in tower.state_dict().items()} == expected
