"""What RTFM and CLIP-TSA cost on UCF-Crime, and how noisy the gradients of CLIP-TSA's choice are.

    python -m benchmarks.rtfm [--device cuda]     half a minute on 2 cores

Features are synthetic, as many as the test videos and as long. The hours of a run are calculated
from a step and an evaluation, with the official numbers of both. The noise is that of the gradient
of the scores, for the scores and ∂L/∂w of an untrained network's first step.
"""

import torch

from benchmarks import workload
from benchmarks.measure import best_times
from clip_tsa import DRAWS, ESTIMATORS, topk_weights
from model import build_model
from rtfm import RTFM, rtfm_losses
from utils.engine import score, train_one_epoch
from utils.optim import make_optimization
from utils.options.methods import METHODS, OF_RTFM
from utils.system.command import OneLineParser, command
from utils.system.device import set_up_device

REPEATS = 300  # of a gradient
HOUR = 3600


def model_and_step(method: str, device: torch.device):
    """Options, network and a training batch as the training script would have them."""
    args = workload.options("ucf", f"--method={method}", f"--device={device}")
    torch.manual_seed(0)
    model = build_model(args, workload.FACTS["ucf"], device)
    videos, n = 2 * args.batch_size, args.visual_length
    snippets = 0.45 * torch.randn(videos * n, 512)
    labels = torch.eye(args.classes_num)[[0] * args.batch_size + [1] * args.batch_size]
    return args, model, (snippets, labels, torch.full((videos,), n))


def cost(method: str, device: torch.device) -> str:
    """A line of the table: seconds of a step and of an evaluation, hours of a run."""
    args, model, batch = model_and_step(method, device)
    optimization = make_optimization(model, args, planned_steps=0)
    test = workload.test_set(workload.features(workload.snippet_counts("ucf")), args)
    runs = {
        "step": lambda: list(train_one_epoch(model, [batch] * 10, optimization, args)),
        "evaluation": lambda: score(model, test),
    }
    times = best_times(runs, device, repeats=2)
    step, evaluation = times["step"] / 10, times["evaluation"]
    hours = [
        (args.max_steps * step + (args.max_steps - args.eval_from) / every * evaluation) / HOUR
        for every in (args.eval_every, 50)
    ]
    name = METHODS[method].title
    return f"{name:10}{step:10.3f}{evaluation:14.2f}{hours[0]:12.2f}{hours[1]:18.2f}"


def noise_of_estimators(device: torch.device) -> dict[str, float]:
    """Standard deviation of an element of the gradient of the scores, on average."""
    _, model, (snippets, _, lengths) = model_and_step("clip-tsa", device)
    model.train().dropout.p = 0.0
    visual = snippets.to(device).view(len(lengths), -1, 512)
    attention = model.hard_attention
    with torch.no_grad():
        scores = attention.scorer(visual).squeeze(-1)
    k = attention.most(scores.shape[1])
    weights = topk_weights(scores, k, attention.draw(visual)).requires_grad_()
    features, logits = RTFM.network(model, weights[..., None] * visual)
    segment_scores = logits.squeeze(-1).sigmoid()
    rtfm_losses(features, segment_scores, normal=len(segment_scores) // 2)["total"].backward()
    found = {}
    for estimator in ESTIMATORS:
        gradients = []
        for _ in range(REPEATS):
            s = scores.clone().requires_grad_()
            draws = torch.randn(len(s), DRAWS, s.shape[1], device=device)
            topk_weights(s, k, draws, estimator=estimator).backward(weights.grad)
            gradients.append(s.grad)
        found[estimator] = torch.stack(gradients).std(dim=0).mean().item()
    return found


@command
def main(argv=None) -> None:
    parser = OneLineParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, …")
    device = set_up_device(parser.parse_args(argv).device, "fp32")
    print(f"{'':10}{'step, s':>10}{'evaluation, s':>14}{'run, h':>12}{'--eval-every 50':>18}")
    for method in OF_RTFM:
        print(cost(method, device))
    noise = noise_of_estimators(device)
    print("\nnoise of the gradient, the centred estimator's being 1:")
    for estimator, value in noise.items():
        print(f"{estimator:10}{value / noise['centred']:10.1f}")


if __name__ == "__main__":
    main()
