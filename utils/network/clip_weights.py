"""CLIP ViT-B/16's text transformer and tokenizer, from the package `openai-clip`.

`import clip` would need torchvision. Only two modules of the package are needed here, `clip.model`
and `clip.simple_tokenizer`; they are executed on their own, without the package's `__init__`.
The visual tower is never built: training and testing read features that it has made before.
"""

import ast
import importlib.util
import math
import os
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from utils import checkpoint
from utils.system.errors import UserError
from utils.system.files import sha256

CLIP_NAME = "ViT-B/16"
RANDOM = "random"
RANDOM_SEED = 0
CACHE_DIR = Path("~/.cache/clip")

WIDTH = 512
HEADS = 8
LAYERS = 12
CONTEXT_LENGTH = 77  # tokens
VOCABULARY = 49408  # tokens

# Entries of an official weight file that are no parameters of the text side.
NOT_TEXT = ("visual.", "input_resolution", "context_length", "vocab_size")


def _package_file(name: str) -> Path:
    spec = importlib.util.find_spec("clip")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / name if folders else None
    if path is None or not path.is_file():
        raise UserError(
            f"the package openai-clip, which has clip/{name}, is not installed: "
            "run 'pip install -r requirements.txt'"
        )
    return path


@cache
def _package_module(name: str):
    """Module `clip.<name>`, executed without `clip/__init__.py`."""
    spec = importlib.util.spec_from_file_location(
        f"openai_clip_{name}", _package_file(f"{name}.py")
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


clip_model = _package_module("model")  # ResidualAttentionBlock, Transformer, LayerNorm, QuickGELU


@cache
def _tokenizer():
    return _package_module("simple_tokenizer").SimpleTokenizer()


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
            learned = f", {prompt} of --prompt-prefix and --prompt-postfix," if prompt else ""
            raise UserError(
                f"the text '{text[:60]}' has {len(row) + prompt} tokens{learned}; CLIP reads at "
                f"most {CONTEXT_LENGTH}: shorten it"
            )
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


class TextTransformer(nn.Module):
    """CLIP's text transformer. Parameters are named as in CLIP, so its weights load as they are."""

    def __init__(self):
        super().__init__()
        self.token_embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.positional_embedding = nn.Parameter(torch.empty(CONTEXT_LENGTH, WIDTH))
        self.transformer = clip_model.Transformer(WIDTH, LAYERS, HEADS)
        self.ln_final = clip_model.LayerNorm(WIDTH)
        # The adapters take the projection's place; nothing reads the scale.
        self.text_projection = nn.Parameter(torch.empty(WIDTH, WIDTH))
        self.logit_scale = nn.Parameter(torch.empty(()))

    def initialize(self) -> None:
        """CLIP's own initialisation, from the current random state."""
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.text_projection, std=WIDTH**-0.5)
        nn.init.constant_(self.logit_scale, math.log(1 / 0.07))
        residual_std = WIDTH**-0.5 * (2 * LAYERS) ** -0.5
        for block in self.transformer.resblocks:
            nn.init.normal_(block.attn.in_proj_weight, std=WIDTH**-0.5)
            nn.init.zeros_(block.attn.in_proj_bias)
            nn.init.normal_(block.attn.out_proj.weight, std=residual_std)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * WIDTH) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=residual_std)
            for layer in (block.attn.out_proj, block.mlp.c_fc, block.mlp.c_proj):
                nn.init.zeros_(layer.bias)
            for norm in (block.ln_1, block.ln_2):
                norm.reset_parameters()
        self.ln_final.reset_parameters()

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """(P, L) token ids -> (L, P, 512), what the first block reads."""
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        return x.transpose(0, 1)  # [P, L, D] -> [L, P, D]

    def block(self, index: int, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Block `index` on (L, P, 512), under the causal mask (L, L)."""
        layer = self.transformer.resblocks[index]
        y = layer.ln_1(x)
        x = x + layer.attn(y, y, y, need_weights=False, attn_mask=mask, is_causal=True)[0]
        return x + layer.mlp(layer.ln_2(x))

    def transform(self, x: torch.Tensor, end: torch.Tensor, adapt=None) -> torch.Tensor:
        """All blocks and the final LayerNorm.

        Args:
            x: (L, P, 512), what the first block reads.
            end: (P,) position of each text's end-of-text token.
            adapt: function of a block's index and what it gave, (L, P, 512) -> (L, P, 512).

        Returns:
            (P, 512), what stands at `end`.
        """
        mask = nn.Transformer.generate_square_subsequent_mask(len(x), device=x.device)
        for i in range(LAYERS):
            x = self.block(i, x, mask)
            if adapt is not None:
                x = adapt(i, x)
        return self.ln_final(x)[end, torch.arange(x.shape[1], device=x.device)]

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(P, L) token ids -> (P, 512), CLIP's own text features, not normalised."""
        return self.transform(self.embed(tokens), tokens.argmax(dim=-1)) @ self.text_projection


def _official_url(name: str) -> str:
    """Address of CLIP's weights, read from the table in `clip/clip.py` without executing it."""
    for node in ast.parse(_package_file("clip.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_MODELS":
            return ast.literal_eval(node.value)[name]
    raise UserError("openai-clip holds no table of weight addresses: install version 1.0.1")


def download(url: str, folder: Path = CACHE_DIR) -> Path:
    """CLIP's weight file in `folder`, downloaded once; the checksum stands in the address.

    Raises:
        UserError: it cannot be fetched, or its sha256 is wrong.
    """
    folder = folder.expanduser()
    expected, name = url.split("/")[-2:]
    target = folder / name
    if target.is_file() and sha256(target) == expected:
        return target
    partial = target.with_suffix(f".{os.getpid()}.part")
    problem = "are damaged (wrong sha256)" if target.is_file() else "are not"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=30) as source, partial.open("wb") as file:
            size = int(source.headers.get("Content-Length", 0)) or None
            with tqdm.wrapattr(file, "write", total=size, desc=name, disable=None) as out:
                while chunk := source.read(1 << 20):
                    out.write(chunk)
        if (found := sha256(partial)) != expected:
            raise UserError(
                f"{url} came with sha256 {found[:12]}…, expected {expected[:12]}…: try again"
            )
        partial.replace(target)
    except (OSError, urllib.error.URLError) as error:
        raise UserError(
            f"CLIP's weights {problem} at {target} and {url} cannot be fetched "
            f"({getattr(error, 'reason', error)}): download it elsewhere and put it there, "
            "or name a file with --clip-weights PATH"
        ) from None
    finally:
        if partial.exists():
            partial.unlink()
    return target


def weights_file(source: str) -> Path:
    """The file of `ViT-B/16`, downloaded if need be, or the path that `source` is.

    Raises:
        UserError: it cannot be fetched, or there is none.
    """
    if source == CLIP_NAME:
        return download(_official_url(CLIP_NAME))
    if not os.path.isfile(source):
        raise UserError(f"CLIP weights {source} not found: give {CLIP_NAME} or the path of a file")
    return Path(source)


def read_weights(path: Path, wanted) -> dict[str, torch.Tensor]:
    """CLIP's weights from the official TorchScript archive or a saved state dict, in fp32.

    Loading an archive runs what it holds, so only the one with CLIP's own checksum is loaded.

    Args:
        path: of the file.
        wanted: function of an entry's name, whether it is read.

    Raises:
        UserError: the file is neither of the two.
    """
    if sha256(path) == _official_url(CLIP_NAME).split("/")[-2]:
        state = torch.jit.load(path, map_location="cpu").state_dict()
    else:
        state = checkpoint.load(path)
        state = state.get("state_dict", state)
    try:
        return {str(k): v.float() for k, v in state.items() if wanted(str(k))}
    except AttributeError:
        raise UserError(
            f"{path} is not CLIP {CLIP_NAME}: expected a state dict of tensors"
        ) from None


@contextmanager
def random_weights(side: str):
    """Weights that are made meanwhile are the same each time, and said to be random. The random
    state outside is left as it was: the rest of a model starts from the same numbers whatever the
    source of these."""
    print(
        f"WARNING: CLIP's {side} weights are RANDOM. Good for the demo and for tests, "
        "never for results.",
        file=sys.stderr,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(RANDOM_SEED)
        yield


def load_text_transformer(source: str | None) -> TextTransformer:
    """The frozen text transformer, fp32, on the CPU.

    Args:
        source: `ViT-B/16` (downloaded to ~/.cache/clip if need be), the path of a weight file,
            `random` (seeded, for the demo and tests only), or None for weights that the caller
            loads afterwards.
    """
    with torch.device("meta"):  # no memory and no initialisation: weights come next
        text = TextTransformer()
    if source in (None, RANDOM):
        text.to_empty(device="cpu")
    else:
        path = weights_file(source)
        try:
            weights = read_weights(path, lambda name: not name.startswith(NOT_TEXT))
            text.load_state_dict(weights, assign=True)
        except RuntimeError as error:
            raise UserError(
                f"{path} is not CLIP {CLIP_NAME}: {' '.join(str(error).split())[:200]}"
            ) from None
    if source == RANDOM:
        with random_weights("text"):
            text.initialize()
    return text.requires_grad_(False)
