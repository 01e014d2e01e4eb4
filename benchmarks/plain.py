"""Plain references: the same results as the project's, written out the obvious way.

Loops over videos, frames and tensors, attention under a 256×256 mask, texts padded to CLIP's 77
tokens, SG-NM in every pass, a number read back from the device for every loss. The benchmark
measures against them and the tests compare with them.
"""

import math

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch.nn import functional as F

from clip_tsa import SIGMA
from model import DSANet, Outputs, hierarchical_belief_modulation
from utils.datasets.clips import process_split
from utils.network.backbone import CONTEXT_LENGTH


def frame_wise_auc_ap(scores, frames):
    """AUC and AP of snippet scores (S,) against frames (16·S,), every score repeated 16 times."""
    scores = np.repeat(scores, 16)
    return roc_auc_score(frames, scores), average_precision_score(frames, scores)


def frame_wise_map(predictions, segments, labels, names, thresholds, repeat=16):
    """mAP at each IoU threshold, on curves of frames."""
    expanded = [np.repeat(p.astype(np.float64), repeat, axis=0) for p in predictions]
    return np.array(
        [
            np.mean(_frame_wise_aps(expanded, segments, labels, names, threshold))
            for threshold in thresholds
        ]
    )


def resampled(scored, weights, thresholds):
    """AUC, AP and mAP of videos that are written out as often as each of B weightings has them."""
    frames = [np.zeros(int(edges[-1])) for edges in scored.truth.edges]
    for of_video, spans in zip(frames, scored.truth.spans, strict=True):
        for start, end in spans:
            of_video[start:end] = 1
    found = []
    for counts in weights:
        order = np.repeat(np.arange(len(counts)), counts)
        curves = [scored.predictions[v].probabilities for v in order]
        found.append(
            (
                *frame_wise_auc_ap(
                    np.concatenate([scored.predictions[v].score for v in order]),
                    np.concatenate([frames[v] for v in order]),
                ),
                *frame_wise_map(
                    curves,
                    [scored.truth.segments[v] for v in order],
                    [scored.truth.labels[v] for v in order],
                    scored.facts.classes,
                    thresholds,
                ),
            )
        )
    return np.array(found)


def _frame_wise_aps(curves, segments, labels, names, threshold):
    aps = []
    for c, name in enumerate(names):
        proposals = []
        for v, curve in enumerate(curves):
            proposals += [(score, v, *run) for score, *run in _frame_wise_proposals(curve[:, c])]
        if not proposals:
            return [0.0]
        proposals.sort(key=lambda proposal: -proposal[0])
        free = [
            (v, *map(int, segment))
            for v in range(len(segments))
            for segment, label in zip(segments[v], labels[v], strict=True)
            if label == name
        ]
        total, hits, ap = len(free), 0, 0.0
        for rank, (_, v, start, end) in enumerate(proposals, start=1):
            best, best_iou = None, 0.0
            for i, (video, first, last) in enumerate(free):
                overlap = min(end, last) - max(start, first)
                if video == v and overlap > 0:
                    iou = overlap / (end - start + last - first - overlap)
                    if iou > best_iou:
                        best, best_iou = i, iou
            if best is not None and best_iou >= threshold:
                del free[best]
                hits += 1
                ap += hits / rank
        aps.append(100 * ap / total if total else 0.0)
    return aps


def _frame_wise_proposals(curve):
    """(score, start, end) of every run above the threshold."""
    class_score = np.sort(curve)[::-1][: max(1, len(curve) // 16)].mean()
    threshold = curve.max() - 0.6 * (curve.max() - curve.min())
    start = None
    for t, above in enumerate([*(curve > threshold), False]):
        if above and start is None:
            start = t
        elif not above and start is not None:
            if t - start >= 2:
                yield curve[start:t].max() + 0.7 * class_score, start, t
            start = None


def looped_clip(feat, n):
    """Training clip of (T, D) features, row by row: (n, D)."""
    clip = np.zeros((n, feat.shape[1]), dtype=np.float32)
    if len(feat) <= n:
        clip[: len(feat)] = feat
        return clip
    bounds = np.linspace(0, len(feat), n + 1).astype(int)
    for i in range(n):
        start, end = bounds[i], bounds[i + 1]
        clip[i] = feat[start:end].mean(0) if end > start else feat[start]
    return clip


class PlainDSANet(DSANet):
    """The network with the same weights, as a first reading of the paper gives it."""

    def forward(self, visual, lengths, text_features=None):
        b, n, _ = visual.shape
        x = visual + self.frame_position_embeddings(torch.arange(n, device=visual.device))
        x = masked_attention(self.temporal, x)
        similarity = looped_similarity(x, lengths)
        position = torch.arange(n, device=visual.device)
        distance = (position[:, None] - position[None, :]).abs().float()
        distance = torch.exp(-distance / math.e).repeat(b, 1, 1)
        gelu = self.mlp1.gelu
        x1 = gelu(self.gc2(gelu(self.gc1(x, similarity)), similarity))
        x2 = gelu(self.gc4(gelu(self.gc3(x, distance)), distance))
        v = self.linear(torch.cat([x1, x2], dim=-1))
        text = self.encode_text() if text_features is None else text_features
        logits1 = self.classifier(v + self.mlp2(v))

        video = logits1.transpose(1, 2) @ v
        video = video / video.norm(dim=-1, keepdim=True)
        shifted = text.repeat(b, 1, 1) + video
        logits2 = cosine(v, shifted + self.mlp1(shifted)) / 0.07
        scores = logits1.squeeze(-1).sigmoid()
        event, background = (
            F.normalize(torch.exp(10 * s) - 1, p=1, dim=1, eps=1e-12)[:, None] @ v
            for s in (scores, 1 - scores)
        )
        logits3, logits4 = cosine(event, text) / 0.07, cosine(background, text) / 0.07
        # In testing, too.
        reconstructed, compactness = self.video_anomaly_refiner(v, scores, lengths)
        return Outputs(text, logits1, logits2, logits3, logits4, v, reconstructed, compactness)

    def encode_text(self):
        padded = self.tokens.new_zeros(len(self.tokens), CONTEXT_LENGTH)
        padded[:, : self.tokens.shape[1]] = self.tokens
        descriptions = self.clip_adapter(self.clipmodel, padded)
        return F.normalize(self.description_mean @ descriptions, dim=-1)


def cosine(x, y):
    x, y = (z / z.norm(dim=-1, keepdim=True) for z in (x, y))
    return x @ y.transpose(-1, -2)


def masked_attention(encoder, x):
    """Windows as a mask over all pairs of snippets."""
    window = torch.arange(x.shape[1], device=x.device) // encoder.window
    mask = torch.zeros(len(window), len(window), device=x.device)
    mask[window[:, None] != window[None, :]] = float("-inf")
    y = x.transpose(0, 1)
    for block in encoder.resblocks:
        z = block.ln_1(y)
        y = y + block.attn(z, z, z, attn_mask=mask, need_weights=False)[0]
        y = y + block.mlp(block.ln_2(y))
    return y.transpose(0, 1)


def looped_similarity(x, lengths):
    """Similarity adjacency, video by video."""
    norm = x.norm(dim=-1, keepdim=True)
    cosines = x @ x.transpose(1, 2) / (norm @ norm.transpose(1, 2) + 1e-20)
    adjacency = torch.zeros_like(cosines)
    for i, n in enumerate(lengths.tolist()):
        valid = cosines[i, :n, :n]
        valid = torch.where(valid > 0.7, valid, torch.zeros_like(valid))
        adjacency[i, :n, :n] = valid.softmax(dim=-1)
    return adjacency


def looped_losses(o: Outputs, labels, lengths, loss2_weight):
    """Every term video by video: {name: scalar}."""
    classes = labels.shape[1]
    mil, align, event, background, squares = [], [], [], [], []
    for b, n in enumerate(lengths.tolist()):
        k = n // 16 + 1
        s = o.logits1[b, :n, 0].sigmoid()
        y = labels[b] / labels[b].sum()
        mil.append(F.binary_cross_entropy(s.topk(k).values.mean(), 1 - labels[b, 0]))
        votes = o.logits2[b, :n].topk(k, dim=0).values.mean(0)
        align.append(-(y * votes.log_softmax(0)).sum())
        event.append(-((0.9 * y + 0.1 / classes) * o.logits3[b, 0].log_softmax(0)).sum())
        r = torch.full_like(y, 0.01)
        r[0] = 1.0
        r = 0.9 * r / r.sum() + 0.1 / classes
        background.append(-(r * o.logits4[b, 0].log_softmax(0)).sum())
        if o.compactness is not None:
            cos = F.cosine_similarity(
                o.visual_features[b, :n], o.reconstructed_features[b, :n], dim=-1
            )
            squares.append((s - (1 - cos) / 2) ** 2)
    text = o.text_features
    separation = [(F.normalize(text[0], dim=0) @ F.normalize(t, dim=0)).abs() for t in text[1:]]
    terms = {"mil": mil, "align": align, "event": event, "background": background}
    losses = {name: torch.stack(values).mean() for name, values in terms.items()}
    losses["separation"] = torch.stack(separation).mean()
    total = sum(losses.values())
    if o.compactness is not None:
        losses["consistency"] = torch.cat(squares).mean()
        losses["compactness"] = o.compactness
        total = total + (loss2_weight - 1) * losses["align"]
        total = total + losses["consistency"] + losses["compactness"]
    losses["total"] = total
    return losses


class PlainStableAdamW(torch.optim.Optimizer):
    """StableAdamW with AMSGrad, tensor by tensor."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-10, weight_decay=1e-4):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state, g = self.state[p], p.grad
                if not state:
                    state.update(u=0, m=torch.zeros_like(p), n=torch.zeros_like(p))
                    state["top"] = torch.zeros_like(p)
                state["u"] += 1
                state["m"] = beta1 * state["m"] + (1 - beta1) * g
                state["n"] = beta2 * state["n"] + (1 - beta2) * g**2
                state["top"] = torch.maximum(state["top"], state["n"])
                d = (state["top"] / (1 - beta2 ** state["u"])).sqrt() + group["eps"]
                r = max(1.0, ((g / d) ** 2).mean().sqrt().item())
                p.mul_(1 - group["lr"] * group["decay"])
                p.sub_(group["lr"] / (1 - beta1 ** state["u"]) / r * state["m"] / d)


def rank_by_rank_weights(scores, k, noise, sigma=SIGMA):
    """CLIP-TSA's weights (M, T) as its code makes them: a one-hot row for each draw and rank,
    (M, N, k, T), averaged over the draws, summed over the ranks."""
    chosen = (scores[:, None] + sigma * noise).topk(k, dim=-1).indices.sort(dim=-1).values
    return F.one_hot(chosen, scores.shape[1]).float().mean(dim=1).sum(dim=1)


def looped_scores(model: PlainDSANet, features, temperature):
    """Score videos (T, 512) one after another: [(T,), (T, C)] each."""
    n, predictions = model.frame_position_embeddings.num_embeddings, []
    device = next(model.parameters()).device
    with torch.no_grad():
        text = model.encode_text()
        for feat in features:
            chunks, count = process_split(feat, n)
            lengths = torch.tensor([min(n, max(1, count - n * i)) for i in range(len(chunks))])
            out = model(torch.from_numpy(chunks).to(device), lengths, text)
            p = hierarchical_belief_modulation(out.logits1, out.logits2, temperature)
            score = out.logits1.sigmoid().flatten()[:count]
            predictions.append((score.cpu().numpy(), p.flatten(0, 1)[:count].cpu().numpy()))
    return predictions
