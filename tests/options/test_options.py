import argparse

import pytest
import yaml

import ucf_option
import xd_option
from utils.both_datasets import with_recipe
from utils.options.methods import METHODS

SHARED = {
    "seed": 234, "embed_dim": 512, "visual_length": 256, "visual_width": 512, "visual_head": 1,
    "prompt_prefix": 10, "prompt_postfix": 10, "max_epoch": 10, "decoder_depth": 8,
    "backbone": "ViT-B/16", "clip_weights": "ViT-B/16",
    "normal_selection_ratio": 0.8, "num_prototypes": 16, "DNP_use": True, "use_checkpoint": False,
}  # fmt: skip
OWN = {
    "ucf": {
        "visual_layers": 2, "attn_window": 8, "classes_num": 14, "batch_size": 64, "lr": 7e-5,
        "text_adapt_until": 3, "t_w": 0.1, "temp": 5.0, "loss2_weight": 1.1,
        "model_path": "model/model_ucf.pth",
    },
    "xd": {
        "visual_layers": 1, "attn_window": 64, "classes_num": 7, "batch_size": 96, "lr": 1e-5,
        "text_adapt_until": 1, "t_w": 0.6, "temp": 1.0, "loss2_weight": 5.0,
        "model_path": "model/model_xd.pth",
    },
}  # fmt: skip
PARSERS = {"ucf": ucf_option.parser, "xd": xd_option.parser}


@pytest.mark.parametrize("name", PARSERS)
def test_official_defaults(name):
    options = vars(PARSERS[name].parse_args([]))
    for key, value in {**SHARED, **OWN[name]}.items():
        assert options[key] == value, key


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("key", ["visual_length", "decoder_depth", "num_prototypes", "batch_size"])
def test_both_spellings(name, key):
    for spelling in (key, key.replace("_", "-")):
        for tokens in ([f"--{spelling}", "3"], [f"--{spelling}=3"]):
            assert getattr(PARSERS[name].parse_args(tokens), key) == 3


def test_booleans():
    for text, value in (("True", True), ("False", False), ("false", False)):
        assert ucf_option.parser.parse_args(["--DNP_use", text]).DNP_use is value
        assert ucf_option.parser.parse_args(["--use-checkpoint", text]).use_checkpoint is value


def test_official_schedule_options_are_accepted():
    tokens = ["--scheduler-rate", "0.1", "--scheduler-milestones", "3", "6", "10"]
    args = xd_option.parser.parse_args(tokens)
    assert (args.scheduler_milestones, args.method) == ([3, 6, 10], "dsanet")


def test_a_method_has_defaults_of_its_own_below_everything_that_is_said(tmp_path):
    path = tmp_path / "c.yml"
    path.write_text("method: vadclip\nlr: 0.5\n")
    args = ucf_option.parser.parse_args(["--config", str(path), "--separation-weight=2"])
    assert (args.lr, args.separation_weight, args.text_tuning) == (0.5, 2, "prompt")
    assert ucf_option.parser.parse_args([]).lr == 7e-5  # what one call set is gone in the next


def test_written_options_repeat_a_baselines_run(tmp_path):
    first = vars(xd_option.parser.parse_args(["--method=vadclip", "--t_w=0.5"]))
    path = tmp_path / "options.yml"
    given = first.pop("given")
    path.write_text(yaml.safe_dump({k: v for k, v in first.items() if v is not None}))
    again = vars(xd_option.parser.parse_args(["--config", str(path)]))
    assert {*given} < {*again.pop("given")}
    assert {**again, "config": None} == first


def test_a_files_values_are_said_where_they_are_not_a_baselines_own(tmp_path, capsys):
    path = tmp_path / "demo.yml"
    path.write_text("lr: 1e-4\nvisual-length: 64\n")
    args = ucf_option.parser.parse_args(["--config", str(path), "--method=mil", "--lr=0.01"])
    assert (args.lr, args.visual_length) == (0.01, 64)
    told = f"note: visual_length is 64 in {path}; --method mil has 32\n"
    assert capsys.readouterr().err == told
    ucf_option.parser.parse_args(["--config", str(path)])
    assert capsys.readouterr().err == ""


def test_a_file_of_one_method_is_not_taken_for_anothers(tmp_path, capsys):
    path = tmp_path / "options.yml"
    path.write_text("method: dsanet\nlr: 1e-3\n")
    for tokens in (["--method=mil"], ["--text-tuning=prompt", "--DNP_use=0", "--DCSA_use=0"]):
        with pytest.raises(SystemExit, match=r"^2$"):
            ucf_option.parser.parse_args(["--config", str(path), *tokens])
        error = capsys.readouterr().err
        assert error.startswith(f"error: {path} holds the options of --method dsanet, and ")


@pytest.mark.parametrize("name", PARSERS)
def test_baselines_write_files_of_their_own(name):
    written = [vars(PARSERS[name].parse_args([f"--method={method}"])) for method in METHODS]
    for option in ("model_path", "checkpoint_path", "output_dir"):
        assert len({options[option] for options in written}) == len(METHODS)


@pytest.mark.parametrize(
    "tokens, message",
    [
        (["--method=vadclip", "--DNP_use=True"], "--method vadclip means --DNP-use False"),
        (["--method=vadclip", "--text-tuning=frozen"], "means --text-tuning prompt, not frozen"),
        (["--texts=t.yml", "--method=rtfm"], "rtfm reads no texts: leave out --texts t.yml"),
        (["--method=mil", "--text-tuning=prompt"], "--method mil reads no texts"),
        (["--method=rtfm", "--text-tuning=frozen"], "--method rtfm reads no texts"),
        (["--method=clip-tsa", "--select-by=auc2"], "--method clip-tsa tells no classes"),
        (["--crops=5"], "to --method dsanet every crop is a training video of its own"),
        (["--method=clip-tsa", "--tsa-kappa=1.1"], "1.1 is not in (0, 1]"),
        (
            ["--method=mil", "--select-by=ap2"],
            "--method mil tells no classes; choose auc1",
        ),
    ],
)
def test_options_that_contradict_a_method(tokens, message, capsys):
    with pytest.raises(SystemExit) as end:
        xd_option.parser.parse_args(tokens)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_config_file_stands_below_the_command_line(tmp_path):
    path = tmp_path / "c.yml"
    path.write_text("lr: 1e-3\nDNP-use: false\nmax_epoch: 3\nfeature-root: /data\n")
    args = ucf_option.parser.parse_args(["--max-epoch", "7", "--config", str(path)])
    assert (args.lr, args.DNP_use, args.max_epoch) == (1e-3, False, 7)
    assert args.feature_root == "/data"


def test_every_option_explains_itself():
    for parser in PARSERS.values():
        assert all(action.help for action in parser._actions)
        parser.format_help()


@pytest.mark.parametrize(
    "tokens",
    [
        ["--visual-length", "0"],
        ["--visual-length", "-5"],
        ["--lr", "-1"],
        ["--lr", "nan"],
        ["--normal_selection_ratio", "1.5"],
        ["--num_prototypes", "0"],
        ["--DNP_use", "maybe"],
        ["--visual-head", "3"],
        ["--text_adapt_until", "13"],
        ["--no-such-option", "1"],
        ["--select", "worst"],
        ["--bootstrap", "5"],
        ["--bootstrap", "100001"],
        ["--config"],
    ],
)
def test_bad_options_end_in_one_line(tokens, capsys):
    with pytest.raises(SystemExit) as end:
        ucf_option.parser.parse_args(tokens)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert tokens[0].replace("_", "-") in error


@pytest.mark.parametrize(
    "content, message",
    [
        ("lrr: 3", "unknown option 'lrr'"),
        ("lr: fast", "invalid"),
        ("- lr", "expected lines"),
        ("lr: [", "cannot be read"),
        (None, "cannot be read"),
        ("config: other.yml", "unknown option"),
        ("train-list: [a.csv, b.csv]", "a value too many: b.csv"),
    ],
)
def test_bad_config_files_are_named(tmp_path, content, message, capsys):
    path = tmp_path / "c.yml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit) as end:
        ucf_option.parser.parse_args(["--config", str(path)])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert message in error
    assert error.count("\n") == 1


def test_options_that_cannot_change_are_accepted():
    options = ["--classes-num=14", "--embed_dim=512", "--visual-width=512"]
    assert ucf_option.parser.parse_args(options).embed_dim == 512


def test_a_parser_remembers_nothing(tmp_path, capsys):
    parser = ucf_option.parser
    usual, before = vars(parser.parse_args([])), dict(vars(parser))
    (tmp_path / "c.yml").write_text("method: mil\nvisual-length: 64\n")
    (tmp_path / "bad.yml").write_text("lr: fast\n")
    parser.parse_args([f"--config={tmp_path / 'c.yml'}"])
    for tokens in ([f"--config={tmp_path / 'bad.yml'}"], ["--lr=fast"], ["--method=vadclip", "-x"]):
        with pytest.raises(SystemExit, match=r"^2$"):
            parser.parse_args(tokens)
    assert capsys.readouterr().err.splitlines()[1].startswith("error: argument --lr")  # and no file
    assert vars(parser.parse_args([])) == usual
    assert vars(parser) == before


def test_options_given_as_a_namespace_count():
    args = ucf_option.parser.parse_args(["--lr=1"], argparse.Namespace(lr=2, own="here"))
    assert (args.lr, args.own, args.max_epoch) == (2, "here", 10)


@pytest.mark.parametrize(
    "given, completed",
    [
        ("--dataset=a.yml --num-workers=0", "ucf --dataset=a.yml --num-workers=0"),
        ("roc --methods A=a --dataset a.yml", "roc ucf --methods A=a --dataset a.yml"),
        ("--out ucf roc --methods A=a --dataset a.yml", None),
        ("--out d roc xd --dataset a.yml", None),
        ("roc a.yml", None),
        ("", None),
    ],
)
def test_a_data_set_of_ones_own_needs_no_recipe(given, completed):
    wanted = (given if completed is None else completed).split()
    assert with_recipe(given.split(), before=("roc", "all")) == wanted
