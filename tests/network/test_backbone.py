"""Each CLIP: its numbers, its two sides, its file, and the network on top of it."""

from itertools import permutations

import pytest
import torch
from torch.nn import functional as F

import ucf_option
from helpers.scripts import SMALL
from helpers.small_clip import LAYERS
from losses import dsanet_losses
from model import build_model
from utils.labels import UCF_CRIME
from utils.network.backbone import BACKBONES
from utils.network.clip_text import load_text_transformer, tokenize
from utils.network.clip_visual import VisualTower
from utils.network.clip_weights import numbers_of
from utils.system.errors import UserError

CPU = torch.device("cpu")
WIDTHS = {"ViT-B/32": 512, "ViT-B/16": 512, "ViT-L/14": 768}
each = pytest.mark.parametrize("backbone", WIDTHS)


@pytest.fixture(scope="module")
def states():
    """Of each, as a file holds it: both sides, random."""
    made = {}
    for name in BACKBONES:
        tower = VisualTower("random", CPU, "fp32", name).tower.state_dict()
        text = load_text_transformer("random", name).state_dict()
        made[name] = text | {f"visual.{key}": value for key, value in tower.items()}
    return made


@pytest.fixture(scope="module")
def files(states, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    paths = {name: folder / f"{name.replace('/', '-')}.pt" for name in BACKBONES}
    for name, path in paths.items():
        torch.save({k: v.half() for k, v in states[name].items()}, path)
    return {name: str(path) for name, path in paths.items()}


def test_the_numbers_are_clips_own():
    heads = {name: (b.text_heads, b.visual_heads) for name, b in BACKBONES.items()}
    assert heads == {"ViT-B/32": (8, 12), "ViT-B/16": (8, 12), "ViT-L/14": (12, 16)}
    assert {name: b.width for name, b in BACKBONES.items()} == WIDTHS
    # The text adapters take the place of the projection from one to the other.
    assert all(b.text_width == b.width for b in BACKBONES.values())


@each
def test_the_numbers_come_back_from_the_shapes(backbone, states):
    found = numbers_of(states[backbone])
    assert found == BACKBONES[backbone]._asdict()
    assert found["text_layers"] == found["visual_layers"] == LAYERS


@each
def test_text_side(backbone):
    text = load_text_transformer("random", backbone)
    tokens = tokenize(["normal", "car accident"])
    assert text.width == WIDTHS[backbone]
    assert text(tokens).shape == (2, text.width)
    heads = {block.attn.num_heads for block in text.transformer.resblocks}
    assert heads == {BACKBONES[backbone].text_heads}


@each
def test_visual_tower(backbone):
    tower = VisualTower("random", CPU, "fp32", backbone)
    features = tower(torch.zeros(2, 3, 224, 224, dtype=torch.uint8))
    assert features.shape == (2, tower.width) == (2, WIDTHS[backbone])
    heads = {block.attn.num_heads for block in tower.tower.transformer.resblocks}
    assert heads == {BACKBONES[backbone].visual_heads}


@each
def test_parameters_have_the_names_of_the_released_files(backbone, ucf_model):
    args = ucf_option.parser.parse_args([*SMALL, f"--backbone={backbone}"])
    names = [*build_model(args, UCF_CRIME).state_dict()]
    assert names == [*ucf_model.state_dict()]


@pytest.mark.parametrize("tuning", ["adapter", "prompt"])
@each
def test_the_whole_network_learns(backbone, tuning):
    tokens = [*SMALL, f"--backbone={backbone}", f"--text-tuning={tuning}", "--visual-head=4"]
    model = build_model(ucf_option.parser.parse_args(tokens), UCF_CRIME).train()
    width = WIDTHS[backbone]
    lengths = torch.tensor([32, 7])
    visual = torch.randn(2, 32, width, generator=torch.Generator().manual_seed(1))
    visual[1, 7:] = 0
    out = model(visual, lengths)
    assert out.text_features.shape == (14, width)
    assert out.visual_features.shape == out.reconstructed_features.shape == (2, 32, width)
    labels = torch.stack([UCF_CRIME.encode(name) for name in ("Normal", "Abuse")])
    dsanet_losses(out, labels, lengths, 1.1)["total"].backward()
    for name, p in model.named_parameters():
        learns = not name.startswith("clipmodel.") and name != "disAdj.sigma"
        assert (p.grad is not None) == learns, name


@each
def test_both_sides_from_a_file(backbone, files, states):
    tokens = tokenize(["normal"])
    text = load_text_transformer(files[backbone], backbone)
    own = load_text_transformer("random", backbone)
    assert F.cosine_similarity(text(tokens), own(tokens)).item() > 0.999
    tower = VisualTower(files[backbone], CPU, "fp32", backbone)
    half = states[backbone]["visual.proj"].half().float()
    assert torch.equal(tower.tower.proj, half)


@pytest.mark.parametrize("held, backbone", [*permutations(WIDTHS, 2)])
def test_a_file_of_another_backbone_is_refused(held, backbone, files):
    message = rf"{held.replace('/', '-')}.pt is CLIP {held}, expected CLIP {backbone}: "
    with pytest.raises(UserError, match=message):
        load_text_transformer(files[held], backbone)
    with pytest.raises(UserError, match=message):
        VisualTower(files[held], CPU, "fp32", backbone)


def test_what_is_known_of_a_file_is_said(states, tmp_path):
    large = states["ViT-L/14"]
    cases = {
        # The text sides of both are alike.
        "is CLIP ViT-B/32 or ViT-B/16, expected CLIP ViT-L/14: ": {
            k: v for k, v in states["ViT-B/16"].items() if not k.startswith("visual.")
        },
        r"is another CLIP \(picture 336, not 224\), expected CLIP ViT-L/14: ": large
        | {"visual.positional_embedding": torch.zeros(1 + 24 * 24, 1024)},
        r"is another CLIP \(text_layers 2, not 3\), expected": {
            k: v for k, v in large.items() if not k.startswith("transformer.resblocks.2.")
        },
        "is not CLIP ViT-L/14: expected a state dict of its": {  # as a ResNet's
            k: v for k, v in large.items() if k != "visual.proj"
        },
    }
    for message, state in cases.items():
        torch.save(state, tmp_path / "clip.pt")
        with pytest.raises(UserError, match=message) as error:
            load_text_transformer(str(tmp_path / "clip.pt"), "ViT-L/14")
        assert "\n" not in str(error.value)


def test_one_side_is_enough_for_what_needs_no_other(states, tmp_path):
    sides = [
        {k: v for k, v in states["ViT-L/14"].items() if k.startswith("visual.") == visual}
        for visual in (False, True)
    ]
    for side, name in zip(sides, ("text.pt", "visual.pt"), strict=True):
        torch.save(side, tmp_path / name)
    text, visual = str(tmp_path / "text.pt"), str(tmp_path / "visual.pt")
    assert load_text_transformer(text, "ViT-L/14").width == 768
    assert VisualTower(visual, CPU, "fp32", "ViT-L/14").width == 768
    with pytest.raises(UserError, match=r"is not CLIP ViT-L/14: .*Missing key"):
        load_text_transformer(visual, "ViT-L/14")
    with pytest.raises(UserError, match="holds no visual tower of CLIP ViT-L/14"):
        VisualTower(text, CPU, "fp32", "ViT-L/14")
