"""--texts and --text-pool: several descriptions of a class."""

from dataclasses import replace

import pytest
import torch
import yaml
from torch.nn import functional as F

import ucf_option
from detector import Detector
from helpers.scripts import SMALL
from losses import separation_loss
from model import build_model
from utils import PROJECT, checkpoint
from utils.datasets.class_texts import class_texts, custom_classes
from utils.labels import UCF_CRIME, XD_VIOLENCE
from utils.runs.made_with import made_with
from utils.runs.weights import Weights
from utils.system.errors import UserError

RICH = PROJECT / "configs" / "rich_texts.yml"
TUNINGS = pytest.mark.parametrize("tuning", ["adapter", "frozen", "prompt"])


def args_of(*options):
    return ucf_option.parser.parse_args([*SMALL, *options])


def model_of(*options):
    torch.manual_seed(0)
    return build_model(args_of(*options), UCF_CRIME).eval()


@pytest.fixture
def written(tmp_path):
    """A file in which Abuse, the second class, has two descriptions."""
    texts = {code: text for code, (text,) in zip(UCF_CRIME.classes, UCF_CRIME.texts, strict=True)}
    texts["Abuse"] = ["a person hits a child", "a person kicks a dog"]
    (tmp_path / "t.yml").write_text(yaml.safe_dump({"ucf": texts}))
    return tmp_path / "t.yml"


@pytest.mark.parametrize("facts", [UCF_CRIME, XD_VIOLENCE], ids=lambda facts: facts.name)
def test_rich_texts_describe_every_class_in_several_ways(facts):
    texts = class_texts(args_of(f"--texts={RICH}"), facts)
    assert len(texts) == len(facts.classes)
    assert {len(of_class) for of_class in texts} == {3}
    assert len(set(sum(texts, ()))) == sum(map(len, texts))


def test_a_choice_among_single_descriptions_is_said_to_change_nothing(written, capsys):
    for options in (["--text-pool=max"], ["--text-pool=max", f"--texts={written}"], []):
        class_texts(args_of(*options), UCF_CRIME)
        told = "note: --text-pool max changes nothing: every class has one description (--texts)\n"
        assert capsys.readouterr().err == told * (options == ["--text-pool=max"])


@TUNINGS
def test_one_description_a_class_is_the_same_pooled_in_either_way(tuning, batch):
    visual, lengths = batch
    with torch.no_grad():
        mean, best = (
            model_of(f"--text-tuning={tuning}", f"--text-pool={pool}")(visual, lengths)
            for pool in ("mean", "max")
        )
    for name, expected in mean._asdict().items():
        if expected is not None:
            torch.testing.assert_close(getattr(best, name), expected, msg=name)


@TUNINGS
def test_the_best_description_of_a_class_counts(tuning, written, batch):
    """The logits of a class are the highest that its descriptions would have alone."""
    visual, lengths = batch
    options = [f"--text-tuning={tuning}", f"--texts={written}"]
    model = model_of(*options, "--text-pool=max")
    with torch.no_grad():
        text = model.encode_text()
        assert len(text) == 15
        found = model(visual, lengths)
        averaged = model_of(*options)
        alone = [averaged(visual, lengths, torch.cat([text[:1], text[i : i + 1], text[3:]]))
                 for i in (1, 2)]  # fmt: skip
    for name in ("logits2", "logits3", "logits4"):
        if getattr(found, name) is not None:
            first, second = (getattr(outputs, name) for outputs in alone)
            torch.testing.assert_close(getattr(found, name), torch.maximum(first, second))
    differ = alone[0].logits2[..., 1] > alone[1].logits2[..., 1]
    assert differ.any() and not differ.all()  # so that each of the two is the best somewhere
    torch.testing.assert_close(found.text_features[1], unit(model, (text[1] + text[2]) / 2))
    assert separation_loss(found.text_features).isfinite()


def unit(model, text):
    return text if model.text_prompt_embeddings else F.normalize(text, dim=-1)


@pytest.mark.parametrize("options", [["--text-pool=max"], ["--text-tuning=manual"]], ids=" ".join)
def test_weights_bring_the_texts_that_they_were_trained_with(options, written, tmp_path, batch):
    args = args_of(f"--texts={written}", *options)
    model = model_of(f"--texts={written}", *options)
    path = tmp_path / "w.pth"
    checkpoint.save_weights(model, path, made_with(args, UCF_CRIME, "random"))
    weights = Weights.read(str(path))
    assert weights.dataset.texts == class_texts(args, UCF_CRIME)
    assert weights.usual_texts == UCF_CRIME.texts
    test = args_of(f"--model-path={path}")
    found = Detector.of(test, UCF_CRIME, torch.device("cpu"))
    assert found.facts.texts[1] == ("a person hits a child", "a person kicks a dog")
    visual, lengths = batch
    with torch.no_grad():
        torch.testing.assert_close(found.model(visual, lengths), model(visual, lengths))


def test_other_classes_keep_their_texts(written, tmp_path, capsys):
    """Even those that are called as the weights' own; a normal one is as it was trained."""
    args = args_of(f"--texts={written}", "--text-tuning=manual", "--leave-out", "Abuse")
    path = tmp_path / "w.pth"
    checkpoint.save_weights(model_of(), path, made_with(args, UCF_CRIME, "random"))
    weights = Weights.read(str(path))
    other = replace(UCF_CRIME, texts=tuple((f"{text} twice",) for (text,) in UCF_CRIME.texts))
    (tmp_path / "c.yml").write_text("Abuse: someone is hit\n")
    zero_shot = custom_classes(tmp_path / "c.yml", weights.dataset)
    assert zero_shot.texts[0] == weights.dataset.texts[0]
    for facts in (other, zero_shot):
        test = args_of(f"--model-path={path}")
        found = Detector.of(test, facts, torch.device("cpu"), weights)
        assert found.facts.texts == facts.texts == class_texts(found.args, found.facts)
        assert not found.args.leave_out
    told = "if these are the same classes, say --leave-out Abuse"
    assert capsys.readouterr().err.count(told) == 1
    test = args_of(f"--model-path={path}", "--leave-out", "Abuse")
    assert Detector.of(test, other, torch.device("cpu"), weights).args.leave_out == ["Abuse"]
    assert told not in capsys.readouterr().err


def test_weights_whose_texts_are_damaged_are_refused(written, tmp_path):
    args = args_of(f"--texts={written}")
    said = made_with(args, UCF_CRIME, "random")
    path = tmp_path / "w.pth"
    model = model_of()
    for texts in ([["one"]], [[1]] * 14, [["one"] * 101] * 14, [["\x1b"]] * 14):
        checkpoint.save_weights(model, path, said | {"texts": texts})
        with pytest.raises(UserError, match="what the weights say of themselves is damaged"):
            Weights.read(str(path))


@pytest.mark.parametrize("option", ["--texts=t.yml", "--text-pool=max"])
def test_a_method_without_texts_refuses_them(option):
    name = option.split("=")[0]
    with pytest.raises(UserError, match=f"--method mil reads no texts: leave out {name} "):
        ucf_option.parser.read(["--method=mil", option])
