"""CLIP's text side, from the package `openai-clip`: texts -> tokens -> text features."""

import math
from functools import cache

import torch
from torch import nn

from utils.network.backbone import (
    BACKBONES,
    CLIP_NAME,
    CONTEXT_LENGTH,
    RANDOM,
    VOCABULARY,
    Backbone,
)
from utils.network.clip_file import weights_file
from utils.network.clip_weights import random_weights, read_clip
from utils.network.openai_clip import clip_model, package_module
from utils.network.skip_init import SkipInit
from utils.system.errors import UserError

# Entries of an official weight file that are not parameters of the text side.
NOT_TEXT = ("visual.", "input_resolution", "context_length", "vocab_size")


@cache
def _tokenizer():
    return package_module("simple_tokenizer").SimpleTokenizer()


def tokenize(texts: list[str], prompt: int = 0) -> torch.Tensor:
    """Texts -> (len(texts), L) token ids, L = the longest text's length with its two end tokens.

    CLIP pads to 77 tokens. Its mask is causal, so nothing behind the end-of-text token (the largest
    id of a row) can influence it, and the padding that all rows share is left out.

    Args:
        texts: of the classes.
        prompt: further tokens that each will be read with.

    Raises:
        UserError: a text has more than 77 tokens with these.
    """
    tokenizer = _tokenizer()
    start, end = (tokenizer.encoder[f"<|{name}oftext|>"] for name in ("start", "end"))
    rows = [[start, *tokenizer.encode(text), end] for text in texts]
    for text, row in zip(texts, rows, strict=True):
        if len(row) + prompt > CONTEXT_LENGTH:
            learned = f", {prompt} of --prompt-prefix and --prompt-postfix" if prompt else ""
            raise UserError(
                f"the text '{text[:60]}' has {len(row) + prompt} tokens{learned}; CLIP reads at "
                f"most {CONTEXT_LENGTH}: shorten it"
            )
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


class TextTransformer(nn.Module):
    """CLIP's text transformer. Parameters are named as in CLIP, so its weights load as they are.

    Args:
        shape: the numbers of the CLIP that it is of.

    Attributes:
        width: of the text features. D below is `transformer.width`, in all of `BACKBONES` the same.
    """

    def __init__(self, shape: Backbone):
        super().__init__()
        self.width, d = shape.width, shape.text_width
        self.token_embedding = nn.Embedding(VOCABULARY, d)
        self.positional_embedding = nn.Parameter(torch.empty(CONTEXT_LENGTH, d))
        self.transformer = clip_model.Transformer(d, shape.text_layers, shape.text_heads)
        self.ln_final = clip_model.LayerNorm(d)
        # The adapters take the projection's place; nothing reads the scale.
        self.text_projection = nn.Parameter(torch.empty(d, self.width))
        self.logit_scale = nn.Parameter(torch.empty(()))

    def initialize(self) -> None:
        """CLIP's own initialisation, from the current random state."""
        d = self.transformer.width
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.text_projection, std=d**-0.5)
        nn.init.constant_(self.logit_scale, math.log(1 / 0.07))
        residual_std = d**-0.5 * (2 * self.transformer.layers) ** -0.5
        for block in self.transformer.resblocks:
            nn.init.normal_(block.attn.in_proj_weight, std=d**-0.5)
            nn.init.zeros_(block.attn.in_proj_bias)
            nn.init.normal_(block.attn.out_proj.weight, std=residual_std)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * d) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=residual_std)
            for layer in (block.attn.out_proj, block.mlp.c_fc, block.mlp.c_proj):
                nn.init.zeros_(layer.bias)
            for norm in (block.ln_1, block.ln_2):
                norm.reset_parameters()
        self.ln_final.reset_parameters()

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """(P, L) token ids -> (L, P, D), what the first block reads."""
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        return x.transpose(0, 1)  # [P, L, D] -> [L, P, D]

    def block(self, index: int, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Block `index` on (L, P, D), under the causal mask (L, L)."""
        layer = self.transformer.resblocks[index]
        y = layer.ln_1(x)
        x = x + layer.attn(y, y, y, need_weights=False, attn_mask=mask, is_causal=True)[0]
        return x + layer.mlp(layer.ln_2(x))

    def transform(self, x: torch.Tensor, end: torch.Tensor, adapt=None) -> torch.Tensor:
        """All blocks and the final LayerNorm.

        Args:
            x: (L, P, D), what the first block reads.
            end: (P,) position of each text's end-of-text token.
            adapt: function of a block's index and what it gave, (L, P, D) -> (L, P, D).

        Returns:
            (P, D), what stands at `end`.
        """
        mask = nn.Transformer.generate_square_subsequent_mask(len(x), device=x.device)
        for i in range(self.transformer.layers):
            x = self.block(i, x, mask)
            if adapt is not None:
                x = adapt(i, x)
        return self.ln_final(x)[end, torch.arange(x.shape[1], device=x.device)]

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(P, L) token ids -> (P, width), CLIP's own text features, not normalised."""
        return self.transform(self.embed(tokens), tokens.argmax(dim=-1)) @ self.text_projection


def load_text_transformer(source: str | None, backbone: str = CLIP_NAME) -> TextTransformer:
    """The frozen text transformer, fp32, on the CPU.

    Args:
        source: a name of `BACKBONES` (downloaded to ~/.cache/clip if need be), the path of a weight
            file, `random` (seeded, for the demo and tests only), or None for weights that the
            caller loads afterwards.
        backbone: which CLIP.

    Raises:
        UserError: the weights cannot be had, or are another CLIP's.
    """
    with SkipInit():  # weights come next
        text = TextTransformer(BACKBONES[backbone])
    if source not in (None, RANDOM):
        path = weights_file(source)
        try:
            weights = read_clip(path, backbone, lambda name: not name.startswith(NOT_TEXT))
            text.load_state_dict(weights, assign=True)
        except RuntimeError as error:
            raise UserError(
                f"{path} is not CLIP {backbone}: {' '.join(str(error).split())[:200]}"
            ) from None
    if source == RANDOM:
        with random_weights("text"):
            text.initialize()
    return text.requires_grad_(False)
