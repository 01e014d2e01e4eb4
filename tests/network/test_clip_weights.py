import hashlib

import pytest
import torch

from utils.network import clip_file, clip_weights
from utils.network.backbone import BACKBONES, CONTEXT_LENGTH, TEXT_LAYERS
from utils.network.clip_file import download, weights_file
from utils.network.clip_text import TextTransformer, load_text_transformer, tokenize
from utils.system.errors import UserError

# The official weights are a TorchScript archive, whatever torch thinks of these now.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.real_clip,
]


@pytest.fixture(scope="module")
def random_text():
    return load_text_transformer("random")


def test_tokens():
    tokens = tokenize(["normal", "car accident"])
    assert tokens.tolist() == [[49406, 5967, 49407, 0], [49406, 1615, 6608, 49407]]


def test_a_text_too_long_for_clip_is_refused():
    with pytest.raises(UserError, match="at most 77"):
        tokenize(["car " * 80])


def test_leaving_out_the_common_padding_changes_nothing(random_text):
    def encode(tokens):
        x = random_text.embed(tokens)
        mask = torch.nn.Transformer.generate_square_subsequent_mask(len(x))
        for i in range(TEXT_LAYERS):
            x = random_text.block(i, x, mask)
        return x[tokens.argmax(-1), torch.arange(len(tokens))]

    tokens = tokenize(["normal", "car accident"])
    padded = torch.zeros(2, CONTEXT_LENGTH, dtype=tokens.dtype)
    padded[:, : tokens.shape[1]] = tokens
    torch.testing.assert_close(encode(tokens), encode(padded))


def test_no_visual_tower_and_nothing_to_train(random_text):
    assert not any("visual" in name for name in random_text.state_dict())
    assert not any(p.requires_grad for p in random_text.parameters())


def test_random_weights_are_seeded_loud_and_leave_the_random_state(random_text, capsys):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    again = load_text_transformer("random")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert "RANDOM" in capsys.readouterr().err
    for name, value in random_text.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert random_text.token_embedding.weight.std().item() == pytest.approx(0.02, rel=0.01)


def official_state(text: TextTransformer) -> dict:
    """As an official file has it: half precision, a visual tower, sizes."""
    state = {k: v.half() if v.ndim > 1 else v for k, v in text.state_dict().items()}
    sizes = {k: torch.tensor(1) for k in ("input_resolution", "context_length", "vocab_size")}
    tower = {"conv1.weight": (768, 3, 16, 16), "positional_embedding": (197, 768)}
    tower |= {"proj": (768, 512)}
    tower |= {f"transformer.resblocks.{i}.attn.in_proj_weight": (1,) for i in range(12)}
    visual = {f"visual.{name}": torch.zeros(shape) for name, shape in tower.items()}
    return {**state, **visual, **sizes}


def test_weights_from_a_state_dict(random_text, tmp_path):
    torch.save(official_state(random_text), tmp_path / "clip.pt")
    text = load_text_transformer(str(tmp_path / "clip.pt"))
    expected = random_text.ln_final.weight
    assert torch.equal(text.ln_final.weight, expected)
    assert text.token_embedding.weight.dtype == torch.float32
    half = random_text.token_embedding.weight.half().float()
    assert torch.equal(text.token_embedding.weight, half)


class Archive(torch.nn.Module):
    """Stands for the official TorchScript archive: modules named as CLIP names them."""

    def __init__(self, state):
        super().__init__()
        for name, value in state.items():
            *path, leaf = name.split(".")
            module = self
            for part in path:
                if not hasattr(module, part):
                    module.add_module(part, torch.nn.Module())
                module = getattr(module, part)
            module.register_buffer(leaf, value)

    def forward(self, x: torch.Tensor):
        return x


@pytest.mark.parametrize("official", ["ViT-B/16", "ViT-L/14"])
def test_weights_from_the_official_archive(random_text, official, tmp_path, monkeypatch):
    path = tmp_path / "clip.pt"
    torch.jit.script(Archive(official_state(random_text))).save(path)
    with pytest.raises(UserError, match="is refused"):
        load_text_transformer(str(path))
    address = f"https://host/{clip_weights.sha256(path)}/clip.pt"
    addresses = dict.fromkeys(BACKBONES, "https://host/0/clip.pt") | {official: address}
    monkeypatch.setattr(clip_weights, "official_url", addresses.get)
    text = load_text_transformer(str(path))
    block = "transformer.resblocks.11.attn.in_proj_bias"
    assert torch.equal(text.state_dict()[block], random_text.state_dict()[block])


def test_files_that_are_not_clip(tmp_path):
    with pytest.raises(UserError, match="not found"):
        load_text_transformer(str(tmp_path / "none.pt"))
    (tmp_path / "junk.pt").write_bytes(b"junk")
    with pytest.raises(UserError, match="is damaged"):
        load_text_transformer(str(tmp_path / "junk.pt"))
    for value in ({"epoch": 3}, [1], {1: torch.zeros(1)}):
        torch.save(value, tmp_path / "junk.pt")
        with pytest.raises(UserError, match=r"expected a state dict|is not CLIP ViT-B/16"):
            load_text_transformer(str(tmp_path / "junk.pt"))
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="is not CLIP ViT-B/16"):
        load_text_transformer(str(tmp_path / "other.pt"))


DIGESTS = {"ViT-B/32": "40d36571", "ViT-B/16": "5806e77c", "ViT-L/14": "b8cca3fd"}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_official_address_carries_its_checksum(backbone):
    digest, name = clip_weights.official_url(backbone).split("/")[-2:]
    assert name == f"{backbone.replace('/', '-')}.pt"
    assert len(digest) == 64
    assert digest.startswith(DIGESTS[backbone])


def test_a_name_stands_for_its_official_file(monkeypatch):
    monkeypatch.setattr(clip_file, "download", lambda url: url)
    for backbone in BACKBONES:
        assert weights_file(backbone) == clip_weights.official_url(backbone)


def served(folder, content: bytes) -> str:
    """A file: address of the form …/<sha256>/<name>."""
    target = folder / hashlib.sha256(b"good").hexdigest() / "clip.pt"
    target.parent.mkdir()
    target.write_bytes(content)
    return target.as_uri()


def test_download_checks_and_keeps_the_file(tmp_path):
    url = served(tmp_path, b"good")
    path = download(url, tmp_path / "cache")
    assert path.read_bytes() == b"good"
    (tmp_path / url.split("/")[-2] / "clip.pt").unlink()
    assert download(url, tmp_path / "cache") == path  # no second fetch


def test_a_download_with_a_wrong_checksum_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="sha256"):
        download(served(tmp_path, b"bad"), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_offline_the_error_says_where_to_put_the_file(tmp_path):
    url = f"file://{tmp_path}/{'0' * 64}/clip.pt"
    with pytest.raises(UserError, match=r"put it there, or name a file with --clip-weights") as e:
        download(url, tmp_path / "cache")
    assert str(tmp_path / "cache" / "clip.pt") in str(e.value)
    (tmp_path / "cache" / "clip.pt").write_bytes(b"half")
    with pytest.raises(UserError, match=r"are damaged \(wrong sha256\)"):
        download(url, tmp_path / "cache")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="put it there"):
        download(url, tmp_path / "file")
