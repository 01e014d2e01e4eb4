"""--backbone and --clip-weights: which CLIP they name together, on a command line and in a file."""

import pytest

import extract_features
import ucf_option
from helpers.scripts import exit_code
from utils.options.parser import as_arguments

B, L = "ViT-B/16", "ViT-L/14"

TOGETHER = [  # said on the command line, in a config file; backbone and weights
    ({}, {}, (B, B)),
    ({"backbone": L}, {}, (L, L)),
    ({"clip-weights": L}, {}, (L, L)),
    ({"clip-weights": L, "backbone": L}, {}, (L, L)),
    ({"backbone": L, "clip-weights": "random"}, {}, (L, "random")),
    ({"backbone": L, "clip-weights": "l.pt"}, {}, (L, "l.pt")),
    ({"clip-weights": "l.pt"}, {}, (B, "l.pt")),
    ({}, {"backbone": L}, (L, L)),
    ({}, {"clip_weights": L}, (L, L)),
    ({"clip-weights": "l.pt"}, {"backbone": L, "clip-weights": L}, (L, "l.pt")),
    ({"backbone": L}, {"clip-weights": "random"}, (L, "random")),
    # The command line wins over the file.
    ({"backbone": B}, {"backbone": L, "clip-weights": L}, (B, B)),
    ({"clip-weights": B}, {"backbone": L, "clip-weights": L}, (B, B)),
]


@pytest.mark.parametrize("line, file, expected", TOGETHER)
def test_two_options_name_one_network(line, file, expected, tmp_path):
    path = tmp_path / "c.yml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in file.items()))
    args = ucf_option.parser.parse_args([f"--config={path}", *as_arguments(line)])
    assert (args.backbone, args.clip_weights) == expected


@pytest.mark.parametrize("line, expected", [(t[0], t[2]) for t in TOGETHER if not t[1]])
def test_the_same_of_extract_features(line, expected):
    args = extract_features.read_options(["v.mp4", "--out=o", *as_arguments(line)])
    assert (args.backbone, args.clip_weights) == expected


@pytest.mark.parametrize("place", ["line", "file", "extract_features"])
def test_two_names_that_contradict(place, tmp_path, capsys):
    tokens = [f"--backbone={L}", f"--clip-weights={B}"]
    if place == "file":
        (tmp_path / "c.yml").write_text(f"backbone: {L}\nclip-weights: {B}\n")
        tokens = [f"--config={tmp_path / 'c.yml'}"]
    if place == "extract_features":
        code = exit_code(extract_features.main, ["v.mp4", "--out=o", *tokens])
    else:
        code = exit_code(ucf_option.parser.parse_args, tokens)
    assert code == 2
    assert capsys.readouterr().err == (
        f"error: --backbone {L} and --clip-weights {B} are two networks: leave one out\n"
    )


def test_an_unknown_backbone(capsys):
    assert exit_code(ucf_option.parser.parse_args, ["--backbone=RN50"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: argument --backbone: invalid choice: 'RN50'")
    assert error.count("\n") == 1


@pytest.mark.parametrize("backbone, heads, fits", [(B, 8, True), (B, 3, False), (L, 3, True),
                                                   (L, 12, True), (L, 5, False)])  # fmt: skip
def test_heads_divide_the_width_of_the_backbone(backbone, heads, fits, capsys):
    tokens = [f"--backbone={backbone}", f"--visual-head={heads}"]
    if fits:
        assert ucf_option.parser.parse_args(tokens).visual_head == heads
        return
    assert exit_code(ucf_option.parser.parse_args, tokens) == 2
    width = {B: 512, L: 768}[backbone]
    assert capsys.readouterr().err == (
        f"error: argument --visual-head: {heads} heads do not divide the width {width} of "
        f"--backbone {backbone}\n"
    )
