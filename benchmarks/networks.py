"""The network and the plain one, with the same weights, and a step of each."""

import copy
from functools import cache

import torch

from benchmarks import plain, workload
from model import build_model
from utils.engine import train_one_epoch
from utils.network.batch import Filled
from utils.optim import SGNM_PREFIX, dsanet_optimization
from utils.system.device import set_up_device


@cache
def initial_network():
    torch.manual_seed(0)
    return build_model(workload.options("ucf"), workload.FACTS["ucf"]).train()


def network(args, device):
    """The network for UCF-Crime, with the same weights each time."""
    model = copy.deepcopy(initial_network()).to(device)
    if args.compile:
        model.compile(dynamic=True)
    return model


def plain_network(device) -> plain.PlainDSANet:
    """The plain one, with the same weights."""
    model = copy.deepcopy(initial_network()).to(device)
    model.__class__ = plain.PlainDSANet
    return model


def plain_step(batch, args, device):
    """A function that trains one plain step."""
    model = plain_network(device)
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    main = torch.optim.AdamW([p for n, p in named if not n.startswith(SGNM_PREFIX)], lr=args.lr)
    sgnm = plain.PlainStableAdamW([p for n, p in named if n.startswith(SGNM_PREFIX)], lr=args.lr)
    snippets, all_labels, lengths = batch
    padded = Filled.of(lengths, args.visual_length, args.attn_window).unpack(snippets)

    def run():
        visual, labels = padded.to(device), all_labels.to(device)
        losses = plain.looped_losses(model(visual, lengths), labels, lengths, args.loss2_weight)
        for loss in losses.values():
            loss.item()  # for the progress line
        main.zero_grad()
        sgnm.zero_grad()
        losses["total"].backward()
        main.step()
        sgnm.step()

    return run


def plain_scoring(videos, args, device):
    """A function that scores videos one after another."""
    model = plain_network(device)
    return lambda: plain.looped_scores(model, videos, args.temp)


def fast_step(batch, args, device):
    """A function that trains one step as ucf_train.py does."""
    model = network(args, device)
    optimization = dsanet_optimization(model, lr=args.lr, epochs=10, planned_steps=10**6)

    def run():
        set_up_device(args.device, args.precision, args.deterministic)
        for _ in train_one_epoch(model, [batch], optimization, args):
            pass

    return run
