"""What weights make of the test videos: features, normal prototypes, events and backgrounds."""

from typing import NamedTuple

import numpy as np
import torch

from sgnm import nearest_prototype_distance
from utils.datasets.clips import process_feat
from utils.datasets.ground_truth import GroundTruth
from utils.engine import EvaluationSet, eval_mode, forward_chunks, per_video
from utils.options.methods import METHODS, has_sgnm
from utils.system.errors import UserError

NORMAL_CLASS = 0  # its index


class Semantics(NamedTuple):
    """The classes whose text is nearest to each of V videos' event and background, (V,) each."""

    events: np.ndarray
    backgrounds: np.ndarray

    @property
    def background_accuracy(self) -> float:
        """Share of the backgrounds that are nearest to the normal text."""
        return float((self.backgrounds == NORMAL_CLASS).mean())


def require_class_texts(method: str) -> None:
    """
    Raises:
        UserError: the method has none.
    """
    if not METHODS[method].tells_classes:
        raise UserError(f"--method {method} has no class texts")


def require_visual_features(method: str) -> None:
    """
    Raises:
        UserError: the method has none.
    """
    if not METHODS[method].has_visual_features:
        raise UserError(f"--method {method} has no visual features")


def require_prototypes(options) -> None:
    """
    Raises:
        UserError: by their options, weights have none.
    """
    if not has_sgnm(options):
        raise UserError(
            "normal prototypes are part of SG-NM, which --method dsanet with --DNP_use True has"
        )


def visual_features(model, test: EvaluationSet) -> np.ndarray:
    """(Σ T, D) of the snippets of all test videos."""
    with eval_mode(model):
        batches = [[filled.pack(o.visual_features)] for o, _, filled in forward_chunks(model, test)]
    return np.concatenate([v for (v,) in per_video(batches, test)])


def clip_features(test: EvaluationSet) -> np.ndarray:
    """(Σ T, 512), the same before the network."""
    return torch.cat([snippets for snippets, _ in test.batches]).numpy()


def prototype_distances(model, test: EvaluationSet) -> np.ndarray:
    """(Σ T,) cosine distance of each snippet to the nearest normal prototype of its own chunk."""
    sgnm = model.video_anomaly_refiner
    batches = []
    with eval_mode(model):
        for outputs, lengths, filled in forward_chunks(model, test):
            v, scores = outputs.visual_features, outputs.logits1.squeeze(-1).sigmoid()
            prototypes = sgnm.gather_prototypes(*sgnm.select_normal(v, scores, lengths))
            batches.append([filled.pack(nearest_prototype_distance(v, prototypes)[..., None])])
    return np.concatenate([d[:, 0] for (d,) in per_video(batches, test)])


def semantics(model, test: EvaluationSet) -> Semantics:
    """Each test video's event and background against the class texts, as DCSA sees them in
    training: of a clip of N snippets.

    Raises:
        UserError: something is not finite.
    """
    device = next(model.parameters()).device
    videos = torch.from_numpy(clip_features(test)).split(test.lengths)
    nearest = []
    with eval_mode(model):
        text = model.encode_text()
        for video in videos:
            clip, valid = process_feat(video.numpy(), test.scoring.visual_length)
            lengths = torch.tensor([valid], device=device)
            outputs = model(torch.from_numpy(clip)[None].to(device), lengths, text)
            scores = outputs.logits1.squeeze(-1).sigmoid()
            logits = model.align_parts(outputs.visual_features, scores, text, lengths)
            logits = torch.cat(logits, dim=1)[0]  # [2, C]
            if not logits.isfinite().all():
                raise UserError("events and backgrounds are not finite: the weights are damaged")
            nearest.append(logits.argmax(dim=-1).cpu())
    events, backgrounds = torch.stack(nearest).numpy().T
    return Semantics(events, backgrounds)


def known_truth(test: EvaluationSet) -> GroundTruth:
    """When what happens in the test videos.

    Raises:
        UserError: it is not known.
    """
    if test.truth is None:
        raise UserError(
            f"this figure shows when something happens, and {test.facts.title} has no table of "
            "events"
        )
    return test.truth


def snippet_classes(test: EvaluationSet) -> np.ndarray:
    """(Σ T,) index of the anomaly that most of a snippet's time shows; 0 where it shows none."""
    truth = known_truth(test)
    shown = truth.shown(test.facts.classes[1:])
    likeliest = 1 + shown.argmax(axis=1)
    return np.where(2 * shown.max(axis=1) > truth.durations, likeliest, 0)
