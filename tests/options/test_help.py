"""--help, --help-all, and what a misspelt option is answered with."""

import re

import pytest

import ucf_option
import xd_option
from utils import both_datasets

PARSERS = {"ucf": ucf_option.parser, "xd": xd_option.parser}
NEVER_SHOWN = ("--classes-num", "--embed-dim", "--visual-width")


def help_of(parser, token, capsys) -> str:
    with pytest.raises(SystemExit) as end:
        parser.answer_help([token])
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", PARSERS)
def test_help_comes_in_two_steps(name, capsys):
    short, full = (help_of(PARSERS[name], token, capsys) for token in ("--help", "--help-all"))
    shown, all_shown = ({*re.findall(r"^  (--\S+)", text, re.M)} for text in (short, full))
    assert {"--feature-root", "--method", "--lr", "--temp", "--device"} < shown < all_shown
    assert all_shown - shown >= {"--gt-path", "--backbone", "--decoder-depth", "--compile"}
    assert len(shown) < 32
    assert short.endswith("\n--help-all shows all options\n")
    options = {action.option_strings[0] for action in PARSERS[name]._actions}
    assert options - all_shown == {"-h", *NEVER_SHOWN}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", PARSERS)
def test_help_has_one_spelling_and_fits_the_terminal(name, width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    text = help_of(PARSERS[name], "--help-all", capsys)
    assert not re.findall(r"--\w+_\w+", text)
    assert max(map(len, text.splitlines())) < width
    for group in ("data", "model", "training", "testing", "run"):
        assert f"\n{group}:\n" in text
    assert f"(default: model/model_{name}.pth)" in text
    assert "None" not in text


@pytest.mark.parametrize("tokens", [["-h"], ["--lr=x", "--help"], ["--no-such", "--help_all"]])
def test_help_is_answered_whatever_else_is_said(tokens, capsys):
    with pytest.raises(SystemExit) as end:
        ucf_option.parser.parse_args(tokens)
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")


@pytest.mark.parametrize("name", PARSERS)
def test_commands_for_both_data_sets_show_the_options_of_one(name, capsys):
    with pytest.raises(SystemExit) as end:
        both_datasets.parse([name, "--help"], "it", "do something")
    assert end.value.code == 0
    assert f"(default: model/model_{name}.pth)" in capsys.readouterr().out


def test_no_help_where_none_is_asked_for(capsys):
    ucf_option.parser.answer_help(["--lr=1"])
    assert capsys.readouterr() == ("", "")


NEAR_MISSES = [
    ("max-epochs", "max-epoch"),
    ("epochs", "max-epoch"),
    ("decoder_deph", "decoder-depth"),
    ("dnp_use", "DNP-use"),
    ("gpu", None),
    ("embed-dims", None),  # which is shown nowhere
]


@pytest.mark.parametrize("name, meant", NEAR_MISSES)
def test_a_near_miss_on_the_command_line(name, meant, capsys):
    with pytest.raises(SystemExit) as end:
        ucf_option.parser.parse_args(["stray", f"--{name}", "3"])
    assert end.value.code == 2
    hint = f"; did you mean --{meant}?" if meant else ""
    assert capsys.readouterr().err == f"error: unrecognized arguments: stray --{name} 3{hint}\n"


@pytest.mark.parametrize("name, meant", NEAR_MISSES)
def test_a_near_miss_in_a_config_file(name, meant, tmp_path, capsys):
    path = tmp_path / "c.yml"
    path.write_text(f"{name}: 3\n")
    with pytest.raises(SystemExit) as end:
        ucf_option.parser.parse_args([f"--config={path}"])
    assert end.value.code == 2
    hint = f"did you mean {meant}?" if meant else "--help-all lists the options"
    assert capsys.readouterr().err == f"error: {path}: unknown option '{name}': {hint}\n"
