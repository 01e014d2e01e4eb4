"""DSANet: learning to tell apart (Yin et al., AAAI 2026, arXiv 2511.10334).

A video is N snippets of 16 frames, each a frozen CLIP feature. A temporal encoder gives visual
features v; the detection branch says *when* (logits1), the alignment branch says *what* (logits2);
SG-NM (sgnm.py) and DCSA (dcsa.py) teach the two to tell normal from abnormal and event from
background. Class texts come through CLIP's adapted text transformer (clip_text_adapter.py).
"""

import torch
from torch import nn
from torch.nn import functional as F

from clip_text_adapter import ClipTextAdapter
from dcsa import dcsa_logits
from mil import MILRanking
from sgnm import SGNM
from text_prompt import LearnablePrompt
from utils.datasets.class_texts import manual_texts
from utils.labels import Dataset
from utils.network.backbone import CLIP_NAME, WIDTH
from utils.network.batch import Filled, padding_mask
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
from utils.network.outputs import Outputs
from utils.system.device import in_float32
from utils.system.errors import UserError


class DSANet(nn.Module):
    """The network. Parameter names are those of the released weight files.

    Args:
        clip: CLIP's frozen text transformer.
        texts: the descriptions of each class.
        visual_length: N, snippets of a clip.
        visual_layers, visual_head, attn_window: blocks, heads and window of the temporal encoder.
        text_tuning: how the class texts are encoded: `adapter`, as in the paper; `prompt`, between
            learned tokens; `frozen` or `manual`, by CLIP as it is.
        text_adapt_until, t_w: adapted text blocks and the adapters' share in them.
        prompt_prefix, prompt_postfix: see LearnablePrompt.
        use_sgnm: whether SG-NM runs in training (`--DNP_use`).
        num_prototypes, normal_selection_ratio, select_normal, decoder_depth, decoder_residual: see
            SGNM.
        use_dcsa: whether events and backgrounds are aligned with the texts (`--DCSA_use`).
        complement_background: whether a background's weights are 1 − w_event, see dcsa.py.
        pool: over which positions events and backgrounds are pooled: `clip`, all N, padding
            included, as in the official code; `video`, the video's own.

    With `prompt` and neither SG-NM nor DCSA this is VadCLIP, its parameter names included.
    """

    def __init__(
        self,
        *,
        clip: TextTransformer,
        texts: tuple[tuple[str, ...], ...],
        visual_length: int,
        visual_layers: int,
        visual_head: int,
        attn_window: int,
        text_tuning: str,
        text_adapt_until: int,
        t_w: float,
        prompt_prefix: int,
        prompt_postfix: int,
        use_sgnm: bool,
        num_prototypes: int,
        normal_selection_ratio: float,
        select_normal: str,
        decoder_depth: int,
        decoder_residual: bool,
        use_dcsa: bool,
        complement_background: bool,
        pool: str,
    ):
        super().__init__()
        self.text_tuning = text_tuning
        self.use_sgnm = use_sgnm
        self.use_dcsa = use_dcsa
        self.complement_background = complement_background
        self.pool_own_snippets = pool == "video"

        self.frame_position_embeddings = nn.Embedding(visual_length, WIDTH)
        nn.init.normal_(self.frame_position_embeddings.weight, std=0.01)
        self.temporal = WindowTransformer(WIDTH, visual_layers, visual_head, attn_window)
        self.gc1 = GraphConvolution(WIDTH, WIDTH // 2)
        self.gc2 = GraphConvolution(WIDTH // 2, WIDTH // 2)
        self.gc3 = GraphConvolution(WIDTH, WIDTH // 2)
        self.gc4 = GraphConvolution(WIDTH // 2, WIDTH // 2)
        self.disAdj = DistanceAdjacency(visual_length)
        self.linear = nn.Linear(WIDTH, WIDTH)

        self.mlp1 = quick_gelu_mlp(WIDTH)
        self.mlp2 = quick_gelu_mlp(WIDTH)
        self.classifier = nn.Linear(WIDTH, 1)

        self.clipmodel = clip.requires_grad_(False)
        learned_tokens = 0
        if text_tuning == "adapter":
            self.clip_adapter = ClipTextAdapter(
                width=WIDTH, adapt_until=text_adapt_until, weight=t_w
            )
        elif text_tuning == "prompt":
            self.text_prompt_embeddings = LearnablePrompt(
                width=WIDTH, prefix=prompt_prefix, postfix=prompt_postfix
            )
            learned_tokens = prompt_prefix + prompt_postfix
        tokens = tokenize(sum(texts, ()), learned_tokens)
        self.register_buffer("tokens", tokens, persistent=False)  # (P, L)
        # (C, P): row c averages the descriptions of class c.
        mean = torch.block_diag(*(torch.full((1, len(t)), 1 / len(t)) for t in texts))
        self.register_buffer("description_mean", mean, persistent=False)

        # Part of every weight file of DSANet, whether it is used or not; VadCLIP has none.
        if use_sgnm or use_dcsa or text_tuning != "prompt":
            self.video_anomaly_refiner = SGNM(
                width=WIDTH,
                num_prototypes=num_prototypes,
                normal_selection_ratio=normal_selection_ratio,
                select_normal=select_normal,
                decoder_depth=decoder_depth,
                decoder_residual=decoder_residual,
            )

    def encode_video(
        self, features: torch.Tensor, lengths: torch.Tensor, filled: Filled | None = None
    ) -> torch.Tensor:
        """Temporal encoder: CLIP features (B, N, D) -> visual features v (B, N, D)."""
        n = features.shape[1]
        position = self.frame_position_embeddings.weight[:n]
        x = self.temporal(features + position, filled, empty=position)
        similarity = similarity_adjacency(x, lengths)
        distance = self.disAdj(n)
        x1 = quick_gelu(self.gc2(quick_gelu(self.gc1(x, similarity)), similarity))
        x2 = quick_gelu(self.gc4(quick_gelu(self.gc3(x, distance)), distance))
        return self.linear(torch.cat([x1, x2], dim=-1)).to(features.dtype)

    @in_float32
    def detect(self, features: torch.Tensor) -> torch.Tensor:
        """Detection branch's head: (B, N, D) -> logits1 (B, N, 1)."""
        return self.classifier(features)

    @in_float32
    def encode_text(self) -> torch.Tensor:
        """The class texts through CLIP and what tunes it -> (C, D), unit rows but with prompts."""
        if self.text_tuning == "prompt":  # VadCLIP does not normalise
            return self.description_mean @ self.text_prompt_embeddings(self.clipmodel, self.tokens)
        if self.text_tuning == "adapter":
            descriptions = self.clip_adapter(self.clipmodel, self.tokens)
        else:
            descriptions = self.clipmodel(self.tokens)
        return F.normalize(self.description_mean @ descriptions, dim=-1)

    @in_float32
    def align(self, v: torch.Tensor, logits1: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Alignment branch: (B, N, D), (B, N, 1), (C, D) -> logits2 (B, N, C).

        Each class text is shifted by what the video is about, its score-weighted feature sum.
        """
        video = F.normalize(logits1.transpose(1, 2) @ v, dim=-1)  # [B, 1, N] @ [B, N, D]
        text = text + video  # [C, D] + [B, 1, D] -> [B, C, D]
        return cosine_logits(v, text + self.mlp1(text))

    def align_parts(
        self, v: torch.Tensor, scores: torch.Tensor, text: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """DCSA: (B, N, D), S_det (B, N), (C, D), (B,) -> logits3, logits4 (B, 1, C)."""
        valid = padding_mask(lengths, v.shape[1]) if self.pool_own_snippets else None
        return dcsa_logits(v, scores, text, self.complement_background, valid)

    def forward(
        self,
        visual: torch.Tensor,
        lengths: torch.Tensor,
        text_features: torch.Tensor | None = None,
        filled: Filled | None = None,
    ) -> Outputs:
        """Score B videos, or segments of videos.

        Args:
            visual: (B, N, 512) CLIP features, zero behind each video's end.
            lengths: (B,) valid snippets of each, at least 1.
            text_features: (C, 512) from `encode_text`, where the caller has them already.
            filled: the same lengths as indices. With them the padding is left out of everything
                that does not depend on it, and `reconstructed_features` is 0 there; no score and no
                loss changes. The padding of `visual` must then be zero indeed.
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
        if self.training and self.use_sgnm:
            reconstructed, compactness = self.video_anomaly_refiner(v, scores, lengths, filled)
        return Outputs(text, logits1, logits2, logits3, logits4, v, reconstructed, compactness)


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


def build_model(args, dataset: Dataset, device="cpu") -> DSANet | MILRanking:
    """DSANet from parsed options, or the baseline that `--method` names.

    Args:
        args: what `ucf_option.parser` or `xd_option.parser` returned. `clip_weights` is a name or
            path as in the option, or None where the caller loads weights that hold CLIP's text
            side.
        dataset: the facts of the data set.
        device: where the model goes.

    Raises:
        UserError: options contradict the data set, or texts or CLIP's weights cannot be had.
    """
    if args.classes_num != len(dataset.classes):
        raise UserError(
            f"--classes-num is {args.classes_num}, but {dataset.title} has "
            f"{len(dataset.classes)} classes: leave the option out"
        )
    for name in ("embed_dim", "visual_width"):
        if getattr(args, name) != WIDTH:
            raise UserError(
                f"--{name.replace('_', '-')} is {getattr(args, name)}, but CLIP {CLIP_NAME} "
                f"features and texts are {WIDTH} wide: leave the option out"
            )
    model = MILRanking() if args.method == "mil" else _build_dsanet(args, dataset)
    if args.compile:
        model.compile(dynamic=True)  # the number of valid snippets differs from batch to batch
    return model.to(device)


def _build_dsanet(args, dataset: Dataset) -> DSANet:
    manual = args.text_tuning == "manual"
    return DSANet(
        clip=load_text_transformer(args.clip_weights),
        texts=manual_texts(args.texts, dataset) if manual else dataset.texts,
        visual_length=args.visual_length,
        visual_layers=args.visual_layers,
        visual_head=args.visual_head,
        attn_window=args.attn_window,
        text_tuning=args.text_tuning,
        text_adapt_until=args.text_adapt_until,
        t_w=args.t_w,
        prompt_prefix=args.prompt_prefix,
        prompt_postfix=args.prompt_postfix,
        use_sgnm=args.DNP_use,
        num_prototypes=args.num_prototypes,
        normal_selection_ratio=args.normal_selection_ratio,
        select_normal=args.select_normal,
        decoder_depth=args.decoder_depth,
        decoder_residual=args.decoder_residual,
        use_dcsa=args.DCSA_use,
        complement_background=args.background_weights == "complement",
        pool=args.DCSA_pool,
    )
