"""DSANet: learning to tell apart (Yin et al., AAAI 2026, arXiv 2511.10334).

A video is N snippets of 16 frames, each a frozen CLIP feature. A temporal encoder gives visual
features v; the detection branch says *when* (logits1), the alignment branch says *what* (logits2);
SG-NM (sgnm.py) and DCSA (dcsa.py) teach the two to tell normal from abnormal and event from
background. Class texts come through CLIP's adapted text transformer (clip_text_adapter.py).
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from clip_text_adapter import ClipTextAdapter
from clip_tsa import CLIPTSA
from dcsa import dcsa_logits
from mil import MILRanking
from rtfm import RTFM
from sgnm import SGNM
from text_prompt import LearnablePrompt
from utils.datasets.class_texts import class_texts
from utils.labels import Dataset
from utils.network.backbone import BACKBONES, WIDTH
from utils.network.batch import Filled, Outputs, valid_mask
from utils.network.clip_text import TextTransformer, load_text_transformer, tokenize
from utils.network.layers import (
    DistanceAdjacency,
    GraphConvolution,
    WindowTransformer,
    cosine_logits,
    quick_gelu,
    quick_gelu_mlp,
    similarity_adjacency,
)
from utils.network.skip_init import SkipInit
from utils.system.console import dashed
from utils.system.device import in_float32
from utils.system.errors import UserError


class DSANet(nn.Module):
    """The network. Parameter names are those of the released weight files.

    Args:
        clip: CLIP's frozen text transformer; its features' width is the network's, D.
        texts: the descriptions of each class.
        text_pool: `mean`: a class is the average of its descriptions; `max`: to every snippet it is
            the one that fits best.
        text_tuner: builds the module that tunes CLIP's text side: ClipTextAdapter (paper) or
            LearnablePrompt (VadCLIP); None: CLIP as it is.
        refiner: builds SG-NM; None: no SG-NM.
        feature_width: of the features that go in. Where it is not the network's, CLIP's, a learned
            linear layer comes first.
        visual_length: N, snippets of a clip.
        visual_layers, visual_head, attn_window: blocks, heads and window of the temporal encoder.
        use_sgnm: whether SG-NM runs in training (`--DNP-use`).
        use_dcsa: whether events and backgrounds are aligned with the texts (`--DCSA-use`).
        complement_background: whether a background's weights are 1 − w_event, see dcsa.py.
        pool_own_snippets: whether events and backgrounds are pooled over the video's own positions
            alone, and not over all N, padding included, as in the official code.
        mask_padding: whether the padding behind a video's end is kept out of the graph convolutions
            and of what they lead to; in the official code it is not.
        reconstructs_in_tests: whether SG-NM runs in tests, too (`--score-residual`).
        seen: indices of the classes that training tells apart; None for all (`--leave-out`).

    With a LearnablePrompt and neither SG-NM nor DCSA this is VadCLIP, its parameter names included.
    """

    def __init__(
        self,
        *,
        clip: TextTransformer,
        texts: tuple[tuple[str, ...], ...],
        text_pool: str,
        text_tuner: Callable[[], nn.Module] | None,
        refiner: Callable[[], SGNM] | None,
        feature_width: int,
        visual_length: int,
        visual_layers: int,
        visual_head: int,
        attn_window: int,
        use_sgnm: bool,
        use_dcsa: bool,
        complement_background: bool,
        pool_own_snippets: bool,
        mask_padding: bool,
        reconstructs_in_tests: bool,
        seen: list[int] | None,
    ):
        super().__init__()
        self.descriptions = [len(of_class) for of_class in texts]
        self.text_pool = text_pool
        self.use_sgnm = use_sgnm
        self.use_dcsa = use_dcsa
        self.complement_background = complement_background
        self.pool_own_snippets = pool_own_snippets
        self.mask_padding = mask_padding
        self.reconstructs_in_tests = reconstructs_in_tests

        width = clip.width
        # Without a bias, so that padding stays zero.
        projected = feature_width != width
        self.feature_projection = nn.Linear(feature_width, width, bias=False) if projected else None
        self.frame_position_embeddings = nn.Embedding(visual_length, width)
        nn.init.normal_(self.frame_position_embeddings.weight, std=0.01)
        self.temporal = WindowTransformer(width, visual_layers, visual_head, attn_window)
        self.gc1 = GraphConvolution(width, width // 2)
        self.gc2 = GraphConvolution(width // 2, width // 2)
        self.gc3 = GraphConvolution(width, width // 2)
        self.gc4 = GraphConvolution(width // 2, width // 2)
        self.disAdj = DistanceAdjacency(visual_length)
        self.linear = nn.Linear(width, width)

        self.mlp1 = quick_gelu_mlp(width)
        self.mlp2 = quick_gelu_mlp(width)
        self.classifier = nn.Linear(width, 1)

        # Built last, so that what is above starts from the same weights whichever parts are chosen.
        self.clipmodel = clip.requires_grad_(False)
        tuner = text_tuner and text_tuner()
        self.clip_adapter = tuner if isinstance(tuner, ClipTextAdapter) else None
        self.text_prompt_embeddings = tuner if isinstance(tuner, LearnablePrompt) else None
        self.video_anomaly_refiner = refiner and refiner()

        prompt = self.text_prompt_embeddings
        tokens = tokenize(sum(texts, ()), prompt.prefix + prompt.postfix if prompt else 0)
        self.register_buffer("tokens", tokens, persistent=False)  # (P, L)
        # (C, P): row c averages the descriptions of class c.
        mean = torch.block_diag(*(torch.full((1, n), 1 / n) for n in self.descriptions))
        self.register_buffer("description_mean", mean, persistent=False)
        of_seen = None if seen is None else torch.tensor(seen)
        self.register_buffer("seen", of_seen, persistent=False)

    def encode_video(
        self, features: torch.Tensor, lengths: torch.Tensor, filled: Filled | None = None
    ) -> torch.Tensor:
        """Temporal encoder: features (B, N, feature_width) -> visual features v (B, N, D).

        In the official code the padding behind a video's end reaches its last snippets by way of
        the graph convolutions, and every class text by way of the scores (`align`).
        """
        dtype = features.dtype
        if self.feature_projection is not None:
            features = self.feature_projection(features)  # in autocast's type
        n = features.shape[1]
        position = self.frame_position_embeddings.weight[:n]
        x = self.temporal(features + position, filled, empty=position)
        similarity = similarity_adjacency(x, lengths)
        distance = self.disAdj(n)
        valid = valid_mask(lengths, n)[..., None] if self.mask_padding else None  # [B, N, 1]
        x = zero_padding(x, valid)
        x1 = zero_padding(quick_gelu(self.gc1(x, similarity)), valid)
        x1 = quick_gelu(self.gc2(x1, similarity))
        x2 = zero_padding(quick_gelu(self.gc3(x, distance)), valid)
        x2 = quick_gelu(self.gc4(x2, distance))
        return zero_padding(self.linear(torch.cat([x1, x2], dim=-1)), valid).to(dtype)

    @in_float32
    def detect(self, features: torch.Tensor) -> torch.Tensor:
        """Detection branch's head: (B, N, D) -> logits1 (B, N, 1)."""
        return self.classifier(features)

    @in_float32
    def encode_text(self) -> torch.Tensor:
        """Text features: one per class (C, D), or with `text_pool` max one per description (P, D);
        of length 1, except with VadCLIP's prompts."""
        tuner = self.clip_adapter or self.text_prompt_embeddings
        descriptions = tuner(self.clipmodel, self.tokens) if tuner else self.clipmodel(self.tokens)
        if self.text_pool == "mean":
            descriptions = self._mean_over_descriptions(descriptions)
        return self._normalise_text(descriptions)

    def _mean_over_descriptions(self, text: torch.Tensor) -> torch.Tensor:
        """(P, D) -> (C, D)."""
        return self.description_mean @ text

    def _normalise_text(self, text: torch.Tensor) -> torch.Tensor:
        """Rows of length 1; VadCLIP, with its prompts, does not normalise."""
        return text if self.text_prompt_embeddings else F.normalize(text, dim=-1)

    def _max_over_descriptions(self, logits: torch.Tensor) -> torch.Tensor:
        """(…, P) of all descriptions -> (…, C), of each class's the highest; (…, C) as it is."""
        if self.text_pool == "mean":
            return logits
        of_classes = logits.split(self.descriptions, dim=-1)
        return torch.stack([of_class.amax(dim=-1) for of_class in of_classes], dim=-1)

    @in_float32
    def align(self, v: torch.Tensor, logits1: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Alignment branch: (B, N, D), (B, N, 1), text -> logits2 (B, N, C).

        Each class text is shifted by what the video is about, its score-weighted feature sum.
        """
        video = F.normalize(logits1.transpose(1, 2) @ v, dim=-1)  # [B, 1, N] @ [B, N, D]
        text = text + video  # [C, D] + [B, 1, D] -> [B, C, D]
        return self._max_over_descriptions(cosine_logits(v, text + self.mlp1(text)))

    def align_parts(
        self, v: torch.Tensor, scores: torch.Tensor, text: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """DCSA: (B, N, D), S_det (B, N), text, (B,) -> logits3, logits4 (B, 1, C)."""
        valid = valid_mask(lengths, v.shape[1]) if self.pool_own_snippets else None
        event, background = dcsa_logits(v, scores, text, self.complement_background, valid)
        return self._max_over_descriptions(event), self._max_over_descriptions(background)

    def forward(
        self,
        visual: torch.Tensor,
        lengths: torch.Tensor,
        text_features: torch.Tensor | None = None,
        filled: Filled | None = None,
        is_normal: torch.Tensor | None = None,
    ) -> Outputs:
        """Score B videos, or chunks of videos.

        Args:
            visual: (B, N, feature_width) features, zero behind each video's end.
            lengths: (B,) valid snippets of each, at least 1.
            text_features: from `encode_text`, where the caller has them already.
            filled: the same lengths as indices. With them the padding is skipped where that changes
                no score and no loss; `reconstructed_features` is 0 there. `visual` must be exactly
                0 in the padding.
            is_normal: (B,) which videos are normal, for SG-NM (`--normal-warmup`).
        """
        lengths = lengths.to(visual.device)
        v = self.encode_video(visual, lengths, filled)
        text = self.encode_text() if text_features is None else text_features
        logits1 = self.detect(v + self.mlp2(v))
        logits2 = self.align(v, logits1, text)
        scores = logits1.squeeze(-1).sigmoid()
        logits3, logits4, reconstructed, compactness = None, None, None, None
        if self.use_dcsa:
            logits3, logits4 = self.align_parts(v, scores, text, lengths)
        if self.use_sgnm and (self.training or self.reconstructs_in_tests):
            reconstructed, compactness = self.video_anomaly_refiner(
                v, scores, lengths, filled, is_normal
            )
        if self.text_pool == "max":
            text = self._normalise_text(self._mean_over_descriptions(text))
        outputs = Outputs(
            text_features=text,
            logits1=logits1,
            logits2=logits2,
            logits3=logits3,
            logits4=logits4,
            visual_features=v,
            reconstructed_features=reconstructed,
            compactness=compactness,
        )
        if self.training and self.seen is not None:
            return outputs.of_classes(self.seen)
        return outputs


def zero_padding(x: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """(B, N, X) with zeros where no snippet is valid, (B, N, 1); as it is for None."""
    return x if valid is None else x.masked_fill(~valid, 0.0)


def hierarchical_belief_modulation(
    logits1: torch.Tensor, logits2: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Class probabilities per snippet: the detection score decides how much of the mass is
    anomalous, the alignment how that is shared among the anomaly classes.

    Args:
        logits1: (..., 1).
        logits2: (..., C), class 0 normal.
        temperature: β, softens both (`--temp`).

    Returns:
        (..., C), rows summing to 1.
    """
    anomalous = torch.sigmoid(logits1 / temperature)
    classes = torch.softmax(logits2 / temperature, dim=-1)[..., 1:]
    classes = classes / (classes.sum(dim=-1, keepdim=True) + 1e-12)
    return torch.cat([1 - anomalous, anomalous * classes], dim=-1)


def build_model(
    args, dataset: Dataset, device="cpu", *, with_clip: bool = True
) -> DSANet | MILRanking | RTFM:
    """DSANet from parsed options, or the baseline that `--method` names.

    Args:
        args: what `ucf_option.parser` or `xd_option.parser` returned.
        dataset: the facts of the data set.
        device: where the model goes.
        with_clip: False if the caller loads weights that include CLIP's text side: CLIP's own file
            is not needed then, and the network's weights are left uninitialised.

    Raises:
        UserError: options contradict the data set, or texts or CLIP's weights cannot be had.
    """
    if args.classes_num != len(dataset.classes):
        raise UserError(
            f"--classes-num is {args.classes_num}, but {dataset.title} has "
            f"{len(dataset.classes)} classes: leave the option out"
        )
    width = BACKBONES[args.backbone].width
    for name in ("embed_dim", "visual_width"):
        if getattr(args, name) not in (WIDTH, width):  # the official default, or what it is
            raise UserError(
                f"{dashed(name)} is {getattr(args, name)}, but CLIP {args.backbone} "
                f"features and texts are {width} wide: leave the option out"
            )
    features = dataset.width or width
    if args.method == "mil":
        model = MILRanking(features)
    elif args.method == "rtfm":
        model = RTFM(features, args.crops)
    elif args.method == "clip-tsa":
        attention = {"kappa": args.tsa_kappa, "cap": args.tsa_cap, "estimator": args.tsa_estimator}
        model = CLIPTSA(features, args.crops, **attention)
    else:
        with nullcontext() if with_clip else SkipInit():
            model = _build_dsanet(args, dataset, args.clip_weights if with_clip else None)
    if args.compile:
        model.compile(dynamic=True)  # the number of valid snippets differs from batch to batch
    return model.to(device)


def _build_dsanet(args, dataset: Dataset, clip_weights: str | None) -> DSANet:
    """DSANet or VadCLIP from parsed options; `clip_weights` None leaves CLIP uninitialised."""
    clip = load_text_transformer(clip_weights, args.backbone)
    text_width = clip.transformer.width
    tuners = {
        "adapter": partial(
            ClipTextAdapter, width=text_width, adapt_until=args.text_adapt_until, weight=args.t_w
        ),
        "prompt": partial(
            LearnablePrompt,
            width=text_width,
            prefix=args.prompt_prefix,
            postfix=args.prompt_postfix,
        ),
    }
    refiner = partial(
        SGNM,
        width=clip.width,
        num_prototypes=args.num_prototypes,
        normal_selection_ratio=args.normal_selection_ratio,
        own_snippets_only=args.select_normal == "video",
        decoder_depth=args.decoder_depth,
        decoder_residual=args.decoder_residual,
    )
    # SG-NM is part of every weight file of DSANet, whether it is used or not; VadCLIP has none.
    is_vadclip = args.text_tuning == "prompt" and not (args.DNP_use or args.DCSA_use)
    return DSANet(
        clip=clip,
        texts=class_texts(args, dataset),
        text_pool=args.text_pool,
        text_tuner=tuners.get(args.text_tuning),
        refiner=None if is_vadclip else refiner,
        feature_width=dataset.width or BACKBONES[args.backbone].width,
        visual_length=args.visual_length,
        visual_layers=args.visual_layers,
        visual_head=args.visual_head,
        attn_window=args.attn_window,
        use_sgnm=args.DNP_use,
        use_dcsa=args.DCSA_use,
        complement_background=args.background_weights == "complement",
        pool_own_snippets=args.DCSA_pool == "video",
        mask_padding=args.mask_padding,
        reconstructs_in_tests=args.score_residual > 0,
        seen=dataset.seen(args.leave_out) if args.leave_out else None,
    )
