"""Weights in a file, and the options of a test that follow from what they say of themselves.

Weights that training leaves here carry the options, the data set and CLIP's hash that they were
made with. Of others, the released ones among them, their shapes tell the depths of the network;
where these are those of the other data set's network, the options that no shape shows are, too.
"""

import argparse
from dataclasses import replace
from typing import NamedTuple

import torch

from utils import checkpoint
from utils.both_datasets import DATASETS
from utils.datasets.class_texts import class_texts
from utils.labels import Dataset
from utils.network.backbone import RANDOM, WIDTH
from utils.network.clip_file import weights_identity
from utils.options.methods import METHODS, has_sgnm
from utils.runs.identity import clip_hash
from utils.runs.made_with import MAY_DIFFER_IN_TEST, VISIBLE_IN_SHAPES, MadeWith
from utils.system.console import dashed, note
from utils.system.errors import UserError
from utils.system.untrusted import load_tensors


class Weights(NamedTuple):
    """Weights that were read from a file.

    Attributes:
        path: of it.
        state: their tensors, without those that no method here needs.
        dataset: that they were trained on, where they say it.
        options: by destination, that they were trained with, as far as they say or show it.
        clip: sha256 of the CLIP weights that they were trained with, where they say it.
        held_out: `split.identity` of the videos that training held out, where they say it.
        left_out: classes by code that were left out of training; None where they do not say it.
        usual_texts: of the classes, where they were trained with others, which `dataset` has.
    """

    path: str
    state: dict[str, torch.Tensor]
    dataset: Dataset | None
    options: dict
    clip: str | None
    held_out: str | None = None
    left_out: tuple[str, ...] | None = None
    usual_texts: tuple[tuple[str, ...], ...] | None = None

    @classmethod
    def read(cls, path: str) -> "Weights":
        """
        Raises:
            UserError: there are none, or they are damaged.
        """
        kept = load_tensors(path)
        state = checkpoint.weights_of(kept, path)
        said = checkpoint.read_made_with(kept)
        if said is None:
            return cls(path, state, None, shown_options(state), None)
        method = checkpoint.method_shown(state)
        try:
            made = MadeWith.read(said, method)
        except (KeyError, TypeError, ValueError, UserError) as error:
            raise UserError(
                f"{path}: what the weights say of themselves is damaged, or of another version of "
                f"this code ({error}): copy the file again or name another"
            ) from None
        options = made.options
        if METHODS[method].tells_classes:
            options = {k: v for k, v in options.items() if k not in VISIBLE_IN_SHAPES}
        return cls(path, state, **made._replace(options=options | shown_options(state))._asdict())

    @property
    def holds_text(self) -> bool:
        return checkpoint.holds_text(self.state)

    @property
    def width(self) -> int | None:
        """Of the features that they take, if they show it."""
        return checkpoint.feature_width(self.state)

    @property
    def random_clip(self) -> tuple[str, ...]:
        """Sides of CLIP that were random numbers when they were trained, as far as they say."""
        return ("text",) if self.clip == RANDOM else ()

    @property
    def recipe(self) -> str | None:
        """`ucf` or `xd`, whose network this is, by its depths; None if it is neither's."""
        seen = [n for n in ("visual_layers", "text_adapt_until") if n in self.options]
        for name, (parser, _) in DATASETS.items():
            if seen and all(self.options[n] == parser.get_default(n) for n in seen):
                return name
        return None

    def adopted_by(self, args) -> argparse.Namespace:
        """Options of a test of these weights: theirs, where others were not given.

        Args:
            args: options of the test.

        Raises:
            UserError: a given option contradicts them.
        """
        checkpoint.require_method(self.state, self._method(args), self.path)
        theirs = dict(self.options)
        if self.dataset is None and self.recipe:
            own = vars(DATASETS[self.recipe][0].read([f"--method={self._method(args)}"]))
            usual = {n: own[n] for n in ("attn_window", "t_w", "temp") if n not in args.given}
            theirs = usual | theirs
        free, method = MAY_DIFFER_IN_TEST, METHODS[self._method(args)]
        if not method.tells_classes:
            # N shapes none of these networks: it is the window of a live source.
            free += ("visual_length",)
            theirs.setdefault("visual_length", method.defaults["visual_length"])
        taken, wrong = {}, []
        for name, value in theirs.items():
            if value == getattr(args, name, value):
                continue
            if name in args.given and name not in free:
                wrong.append(
                    f"{dashed(name)} is {value} in the file and {getattr(args, name)} here"
                )
            elif name not in args.given:
                taken[name] = value
        known = self.left_out is not None
        if args.leave_out and known and {*args.leave_out} != {*self.left_out}:
            out = " ".join(self.left_out) or "nothing"
            wrong.append(f"--leave-out is {out} in the file and {' '.join(args.leave_out)} here")
        if wrong:
            raise UserError(
                f"{self.path} does not fit the options: {', '.join(wrong)}: leave them out, the "
                "weights know them"
            )
        if taken:
            options = " ".join(f"{dashed(name)} {value}" for name, value in taken.items())
            note(f"{self.path} brings its own options: {options}")
        if "clip_weights" not in args.given:
            backbone = taken.get("backbone", args.backbone)
            taken["clip_weights"] = RANDOM if self.clip == RANDOM else backbone
        adopted = argparse.Namespace(**vars(args) | taken)
        if adopted.score_residual and not has_sgnm(adopted):
            raise UserError(
                f"{self.path} was trained without SG-NM, which --score-residual "
                f"{adopted.score_residual:g} needs: leave it out"
            )
        return adopted

    def with_classes_of(
        self, args: argparse.Namespace, facts: Dataset
    ) -> tuple[argparse.Namespace, Dataset]:
        """Options and facts of a test of these weights. Where it is of their classes, they say
        which of these were left out of training; and the texts, where others were not given.

        Args:
            args: options, as `adopted_by` gives them.
            facts: of the data set of the test.
        """
        if self.dataset is None or facts.classes != self.dataset.classes:
            return args, facts
        if facts.texts not in (self.dataset.texts, self.usual_texts):  # other classes so called
            if self.left_out and not args.leave_out:
                out = " ".join(self.left_out)
                note(
                    f"{self.path} was trained without {out}, and with other class texts than those "
                    f"of {facts.title}: if these are the same classes, say --leave-out {out}"
                )
            return args, facts
        taken = {"leave_out": list(self.left_out) or None}
        if not args.texts:
            facts = replace(facts, texts=self.dataset.texts)
            if args.text_tuning == "manual":
                taken["text_tuning"] = "frozen"  # the same, and the facts have the sentences
        elif class_texts(args, facts) != self.dataset.texts:
            note(f"{self.path} was trained with other texts than those of {args.texts}")
        return argparse.Namespace(**vars(args) | taken), facts

    def _method(self, args) -> str:
        """The one that was asked for, or theirs."""
        return args.method if "method" in args.given else checkpoint.method_shown(self.state)

    def require_width(self, facts: Dataset) -> None:
        """
        Raises:
            UserError: they were trained on features of another width.
        """
        if self.width not in (None, facts.width or WIDTH):
            raise UserError(
                f"{self.path} was trained on features {self.width} wide, those of {facts.title} "
                f"are {facts.width or WIDTH}: weights are tested on features of the same kind"
            )

    def require_clip(self, args) -> None:
        """See that `--clip-weights` are those that weights without CLIP's text side were trained
        with.

        Raises:
            UserError: they are others, or random and nothing says that the others were.
        """
        if self.holds_text or not METHODS[args.method].tells_classes:
            return
        if self.clip is None and args.clip_weights == RANDOM:
            raise UserError(
                f"{self.path} has no CLIP text weights, and --clip-weights {RANDOM} cannot stand "
                "in for those it was trained with: name CLIP's file"
            )
        if self.clip is not None and self.clip != (given := clip_hash(args).get("clip_weights")):
            raise UserError(
                f"{self.path} was trained with CLIP weights {self.clip[:12]}, but --clip-weights "
                f"{args.clip_weights} are {given[:12]} (sha256): name the same file"
            )

    def tell_other_clip(self, args) -> None:
        """Say so if features of videos are made with another CLIP than the texts of training."""
        given = weights_identity(args.clip_weights, args.backbone)
        if self.clip is not None and not given.startswith(self.clip):
            note(
                f"{self.path} was trained with CLIP weights {self.clip[:12]}; features of videos "
                f"are made with {given[:12]} (sha256)"
            )

    def tell_where_from(self, facts: Dataset) -> None:
        """Say so if these are weights of another data set."""
        if self.dataset is None and self.recipe and not facts.is_own and self.recipe != facts.name:
            other = DATASETS[self.recipe][1]
        elif self.dataset is not None and (
            (self.dataset.name, self.dataset.classes) != (facts.name, facts.classes)
        ):
            other = self.dataset
        else:
            return
        note(
            f"{self.path} was trained on {other.title} ({len(other.classes)} classes), and is used "
            f"for {facts.title} and its {len(facts.classes)} classes"
        )


def shown_options(state: dict[str, torch.Tensor]) -> dict:
    """The options by destination that shapes show."""
    found = checkpoint.architecture(state)
    method = checkpoint.method_shown(state)
    if not METHODS[method].tells_classes:
        return {"method": method}
    options = {"method": method, **{k: v for k, v in found.items() if v}}
    if method == "vadclip":
        options |= {"DNP_use": False, "DCSA_use": False}
    return options
