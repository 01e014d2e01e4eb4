import copy
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from benchmarks.plain import PlainDSANet, looped_similarity, masked_attention
from dcsa import dcsa_logits, decompose
from losses import dsanet_losses
from model import build_model, hierarchical_belief_modulation
from sgnm import SGNM, compactness, nearest_prototype_distance
from utils.labels import UCF_CRIME
from utils.network.layers import DistanceAdjacency, WindowTransformer, similarity_adjacency
from utils.system.errors import UserError


def test_training_outputs_have_the_promised_shapes(ucf_model, batch):
    out = ucf_model.train()(*batch)
    assert out.text_features.shape == (14, 512)
    assert out.logits1.shape == (3, 32, 1)
    assert out.logits2.shape == (3, 32, 14)
    assert out.logits3.shape == out.logits4.shape == (3, 1, 14)
    assert out.visual_features.shape == out.reconstructed_features.shape == (3, 32, 512)
    assert out.compactness.shape == ()
    torch.testing.assert_close(out.text_features.norm(dim=-1), torch.ones(14))


def test_outputs_are_those_of_the_plain_network(ucf_model, batch):
    ucf_model.train()
    plain = copy.copy(ucf_model)
    plain.__class__ = PlainDSANet
    with torch.no_grad():
        torch.testing.assert_close(ucf_model(*batch), plain(*batch), rtol=1e-4, atol=1e-5)


def test_sgnm_runs_in_training_only_and_changes_no_score(ucf_model, batch):
    with torch.no_grad():
        training = ucf_model.train()(*batch)
        testing = ucf_model.eval()(*batch)
    assert testing.reconstructed_features is None
    assert testing.compactness is None
    torch.testing.assert_close(training.logits2, testing.logits2)


def test_known_text_features_stand_in_for_encoding(ucf_model, batch):
    ucf_model.eval()
    with torch.no_grad():
        text = ucf_model.encode_text()
        assert torch.equal(ucf_model(*batch).logits2, ucf_model(*batch, text_features=text).logits2)


def test_a_class_feature_is_the_mean_of_its_descriptions(ucf_args, ucf_model):
    texts = (("normal",), ("abuse", "car accident"))
    facts = replace(UCF_CRIME, classes=("N", "X"), texts=texts)
    args = SimpleNamespace(**{**vars(ucf_args), "classes_num": 2})
    torch.manual_seed(0)
    model = build_model(args, facts)
    with torch.no_grad():
        each = model.clip_adapter(model.clipmodel, model.tokens)
        expected = F.normalize(torch.stack([each[0], (each[1] + each[2]) / 2]), dim=-1)
        torch.testing.assert_close(model.encode_text(), expected)


def test_padding_of_the_features_reaches_no_similarity(ucf_model):
    x = torch.randn(1, 32, 512)
    lengths = torch.tensor([9])
    adjacency = similarity_adjacency(x, lengths)
    torch.testing.assert_close(adjacency[0, :9, :9].sum(-1), torch.ones(9))
    assert adjacency[0, 9:].abs().sum() == 0
    assert adjacency[0, :, 9:].abs().sum() == 0


def test_similarity_adjacency_against_loops():
    torch.manual_seed(0)
    x = torch.randn(2, 6, 4)
    lengths = torch.tensor([6, 3])
    torch.testing.assert_close(similarity_adjacency(x, lengths), looped_similarity(x, lengths))


def test_distance_adjacency():
    a = DistanceAdjacency(8)(5)
    assert a.shape == (5, 5)
    assert a[1, 4].item() == pytest.approx(math.exp(-3 / math.e))


@pytest.mark.parametrize("n", [32, 30, 5])
def test_attention_stays_inside_its_window(n):
    torch.manual_seed(0)
    encoder = WindowTransformer(16, 1, 1, window=8).eval()
    x = torch.randn(1, n, 16)
    changed = x.clone()
    changed[0, n - 1] += 1
    with torch.no_grad():
        moved = (encoder(x) - encoder(changed)).abs().sum(-1)[0] > 0
    window = (n - 1) // 8 * 8
    assert not moved[:window].any()
    assert moved[window:].all()
    assert torch.isfinite(encoder(x)).all()


def test_windows_equal_masked_attention():
    torch.manual_seed(0)
    encoder = WindowTransformer(16, 2, 1, window=8).eval()
    n = 20
    x = torch.randn(3, n, 16)
    torch.testing.assert_close(encoder(x), masked_attention(encoder, x))


def make_sgnm(ratio=0.8, **switches):
    torch.manual_seed(0)
    return SGNM(
        width=64, num_prototypes=3, normal_selection_ratio=ratio, decoder_depth=2, **switches
    )


def test_normal_snippets_are_the_lowest_scores_of_all_positions_padding_included():
    visual = torch.arange(10.0)[None, :, None].expand(1, 10, 64)
    scores = torch.linspace(1, 0, 10)[None]  # the end of the clip scores lowest
    selected, mask = make_sgnm(0.35).select_normal(visual, scores, torch.tensor([4]))
    assert mask is None
    assert sorted(selected[0, :, 0].tolist()) == [7.0, 8.0, 9.0]  # ⌊10·0.35⌋ = 3


def test_normal_snippets_of_the_videos_own_are_those_of_the_video_alone():
    torch.manual_seed(0)
    sgnm = make_sgnm(0.5, own_snippets_only=True)
    visual, scores, lengths = torch.randn(3, 12, 64), torch.rand(3, 12), torch.tensor([12, 7, 1])
    normal, mask = sgnm.select_normal(visual, scores, lengths)
    assert mask.sum(dim=1).tolist() == [6, 3, 1]  # ⌊len·0.5⌋, at least one
    together = sgnm.gather_prototypes(normal, mask)
    distances = []
    for b, length in enumerate(lengths.tolist()):
        lowest = scores[b, :length].argsort()[: max(1, length // 2)]
        alone = sgnm.gather_prototypes(visual[b : b + 1, lowest])
        torch.testing.assert_close(together[b], alone[0])
        distances.append(nearest_prototype_distance(visual[b : b + 1, lowest], alone)[0])
    torch.testing.assert_close(compactness(normal, together, mask), torch.cat(distances).mean())


def test_the_papers_decoder_has_a_residual_in_all_blocks_but_the_first():
    assert [b.residual for b in make_sgnm(decoder_residual=True).decoder] == [False, True]
    assert [b.residual for b in make_sgnm().decoder] == [False, False]


def test_prototypes_and_compactness_send_no_gradient_into_the_features():
    sgnm = make_sgnm()
    visual = torch.randn(2, 10, 64, requires_grad=True)
    _, loss = sgnm(visual, torch.rand(2, 10), torch.tensor([10, 10]))
    loss.backward()
    assert visual.grad is None
    assert sgnm.video_prototypes.grad.abs().sum() > 0


def test_decoder_has_no_residual_around_attention():
    sgnm = make_sgnm()
    block = sgnm.decoder[0]
    x, prototypes = torch.randn(1, 5, 64), torch.randn(1, 3, 64)
    y = block.attn(block.norm1(x), block.norm1(prototypes))
    torch.testing.assert_close(block(x, prototypes), y + block.mlp(block.norm2(y)))
    aggregation = sgnm.dnp_extractor[0]
    y = x + aggregation.attn(aggregation.norm1(x), aggregation.norm1(prototypes))
    torch.testing.assert_close(
        aggregation(x, prototypes), y + aggregation.mlp(aggregation.norm2(y))
    )


def test_compactness_against_loops():
    torch.manual_seed(0)
    normal, prototypes = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    distances = [
        min(1 - F.cosine_similarity(f, p, dim=0) for p in prototypes[b])
        for b in range(2)
        for f in normal[b]
    ]
    torch.testing.assert_close(compactness(normal, prototypes), torch.stack(distances).mean())


def test_decomposition_follows_the_scores():
    visual = torch.eye(4)[None]
    scores = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    event, background = decompose(visual, scores)
    torch.testing.assert_close(event[0, 0], torch.tensor([1.0, 0, 0, 0]))
    torch.testing.assert_close(background[0, 0], torch.tensor([0.0, 1, 1, 1]) / 3)


def test_the_papers_background_weights_are_what_the_event_leaves():
    torch.manual_seed(0)
    visual, scores = torch.randn(2, 6, 8), torch.rand(2, 6)
    _, background = decompose(visual, scores, complement=True)
    w_event = torch.expm1(10 * scores)
    w_event = w_event / w_event.sum(dim=1, keepdim=True)
    expected = ((1 - w_event)[:, :, None] * visual).sum(dim=1)
    cosines = F.cosine_similarity(background[:, 0], expected, dim=-1)
    torch.testing.assert_close(cosines, torch.ones(2))


@pytest.mark.parametrize("value", [-200.0, 200.0])
def test_saturated_scores_stay_finite(value):
    logits = torch.full((2, 8), value, requires_grad=True)
    visual = torch.randn(2, 8, 16, requires_grad=True)
    text = F.normalize(torch.randn(3, 16), dim=-1)
    event, background = dcsa_logits(visual, logits.sigmoid(), text)
    (event.sum() + background.sum()).backward()
    for tensor in (event, background, logits.grad, visual.grad):
        assert torch.isfinite(tensor).all()


def test_belief_modulation():
    logits1, logits2 = torch.tensor([[2.0]]), torch.tensor([[5.0, 1.0, 0.0]])
    p = 1 / (1 + math.exp(-2.0 / 4))
    q = torch.softmax(logits2[0] / 4, dim=0)
    expected = torch.stack([torch.tensor(1 - p), *(p * q[1:] / q[1:].sum())])
    result = hierarchical_belief_modulation(logits1, logits2, 4.0)[0]
    torch.testing.assert_close(result, expected)
    assert result.sum().item() == pytest.approx(1)


# Initialisation, by distribution: (what stands in the name, bound or None, standard deviation)
def uniform(bound):
    return bound, bound / 3**0.5


SGNM_STD = 0.00986  # of a normal of std 0.01 cut at three standard deviations


@pytest.mark.parametrize(
    "name, bound, std",
    [
        ("frame_position_embeddings.weight", None, 0.01),
        ("gc1.weight", *uniform((6 / 768) ** 0.5)),
        ("gc2.weight", *uniform((6 / 512) ** 0.5)),
        ("gc3.residual.weight", *uniform((512 * 5) ** -0.5)),
        ("clip_adapter.text_adapter.0.fc.0.weight", *uniform((6 / 1024) ** 0.5)),
        ("clip_adapter.text_adapter.3.fc.0.weight", *uniform((6 / 1024) ** 0.5)),
        ("temporal.resblocks.0.attn.in_proj_weight", *uniform((6 / 2048) ** 0.5)),
        ("temporal.resblocks.0.mlp.c_fc.weight", *uniform(512**-0.5)),
        ("linear.weight", *uniform(512**-0.5)),
        ("mlp1.c_proj.weight", *uniform(2048**-0.5)),
        ("classifier.weight", *uniform(512**-0.5)),
        ("video_anomaly_refiner.video_prototypes", None, 1.0),
        ("video_anomaly_refiner.dnp_extractor.0.attn.kv.weight", 0.03, SGNM_STD),
        ("video_anomaly_refiner.decoder.1.mlp.fc1.weight", 0.03, SGNM_STD),
        ("video_anomaly_refiner.bottleneck.c_fc.weight", 0.03, SGNM_STD),
    ],
)
def test_initialisation(ucf_model, name, bound, std):
    weight = ucf_model.state_dict()[name]
    assert weight.std().item() == pytest.approx(std, rel=0.05)
    assert abs(weight.mean().item()) < 4 * std / weight.numel() ** 0.5
    if bound is not None:
        assert 0.9 * bound < weight.abs().max().item() <= bound


def test_initial_constants(ucf_model):
    state = ucf_model.state_dict()
    for name, value in state.items():
        if name.startswith("video_anomaly_refiner") and name.endswith("bias"):
            assert (value == 0).all(), name
        if name.startswith("video_anomaly_refiner") and "norm" in name and "weight" in name:
            assert (value == 1).all(), name
    assert (state["video_anomaly_refiner.decoder.0.attn.learn_scale"] == 1).all()
    assert state["disAdj.sigma"].item() == pytest.approx(0.1)
    assert (state["temporal.resblocks.0.attn.in_proj_bias"] == 0).all()


def test_clip_is_frozen_and_everything_else_learns(ucf_model, batch):
    ucf_model.train().zero_grad()
    labels = torch.stack([UCF_CRIME.encode(name) for name in ("Normal", "Abuse", "Arson")])
    dsanet_losses(ucf_model(*batch), labels, batch[1], 1.1)["total"].backward()
    for name, p in ucf_model.named_parameters():
        if name.startswith("clipmodel.") or name == "disAdj.sigma":
            assert p.grad is None, name
        else:
            assert p.grad is not None, name
    ucf_model.zero_grad()


@pytest.mark.parametrize(
    "option, value, message",
    [("classes_num", 7, "--classes-num is 7"), ("visual_width", 256, "512 wide")],
)
def test_options_that_contradict_the_data_are_refused(ucf_args, option, value, message):
    args = SimpleNamespace(**{**vars(ucf_args), option: value})
    with pytest.raises(UserError, match=message):
        build_model(args, UCF_CRIME)


@pytest.mark.parametrize("value", [512, 768, 1024])
def test_the_official_width_options_name_the_backbones_width_or_the_default(ucf_args, value):
    changed = {"backbone": "ViT-L/14", "embed_dim": value, "visual_width": value}
    args = SimpleNamespace(**{**vars(ucf_args), **changed})
    if value == 1024:
        with pytest.raises(UserError, match="CLIP ViT-L/14 features and texts are 768 wide"):
            build_model(args, UCF_CRIME)
    else:
        assert build_model(args, UCF_CRIME).classifier.in_features == 768
