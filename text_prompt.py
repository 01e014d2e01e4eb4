"""Learnable prompts: CLIP's frozen text transformer reads each class name between learned tokens.

VadCLIP (Wu et al., AAAI 2024), after CoOp; DSANet's text adapters (clip_text_adapter.py) take their
place. Chosen by `--text-tuning prompt`.
"""

import torch
from torch import nn

from utils.network.backbone import CONTEXT_LENGTH
from utils.network.clip_text import TextTransformer

INIT_STD = 0.01


class LearnablePrompt(nn.Module):
    """The learned tokens, one for each position, which all classes share.

    Args:
        width: D, of the text transformer.
        prefix, postfix: learned tokens before and after the class name.
    """

    def __init__(self, *, width: int, prefix: int, postfix: int):
        super().__init__()
        self.prefix = prefix
        self.postfix = postfix
        self.weight = nn.Parameter(torch.empty(CONTEXT_LENGTH, width))
        nn.init.normal_(self.weight, std=INIT_STD)

    def forward(self, clip: TextTransformer, tokens: torch.Tensor) -> torch.Tensor:
        """(P, L) token ids -> (P, D), one feature per text, not normalised.

        Start token, `prefix` learned ones, the words, `postfix` learned ones, end token: at most
        77 in all.
        """
        words = clip.token_embedding(tokens)  # [P, L, D]
        last = tokens.argmax(dim=-1)  # the end token, whose id is the largest; words: 1…last−1
        end = last + self.prefix + self.postfix
        length = tokens.shape[1] + self.prefix + self.postfix  # of the longest text
        # Which of its own tokens stands at each position of a text, [P, length]; 0, the start
        # token, where a learned one will.
        position = torch.arange(length, device=tokens.device)
        source = (position - self.prefix).expand(len(tokens), -1)
        is_word = (source >= 1) & (source < last[:, None])
        is_end = position == end[:, None]
        source = torch.where(is_end, last[:, None], source.where(is_word, 0))
        fixed = words.take_along_dim(source[:, :, None], dim=1)  # [P, length, D]
        learned = ~(is_word | is_end | (position == 0))
        x = torch.where(learned[:, :, None], self.weight[:length], fixed)
        x = x + clip.positional_embedding[:length]
        return clip.transform(x.transpose(0, 1), end) @ clip.text_projection
