"""Losses and metrics of a training run over its steps, from log.jsonl."""

import json
from pathlib import Path

from matplotlib.figure import Figure

from utils.figures.style import LINES, MARKERS, PALETTE, QUIET, PlainLogFormatter, new_figure
from utils.metric_names import METRICS, OF_VIDEOS
from utils.system.errors import UserError

SHOWN = ("auc1", "ap1", "average_map")


def read_log(path: Path) -> list[dict]:
    """The lines of a log, the steps of earlier epochs added to each `step`.

    Raises:
        UserError: it is missing, or not such a log.
    """
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        done, epoch, last = 0, 1, 0
        for line in lines:
            if line["epoch"] != epoch:
                done, epoch = done + last, line["epoch"]
            last = line["step"]
            line["step"] += done
        terms = {tuple(line["losses"]) for line in lines if "losses" in line}
    except OSError as error:
        raise UserError(f"training log {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the log.jsonl of a training run ({error})") from None
    if len(terms) > 1:
        raise UserError(f"{path} has losses of different methods: it is the log of several runs")
    if not terms:
        raise UserError(f"{path} has no losses yet")
    return lines


def training_curves(lines: list[dict], title: str) -> Figure:
    """Losses that are not 0 throughout, on a logarithmic axis, and metrics: those of the test
    set's frames, or of whole videos where it is not known when something happens in them."""
    losses = [line for line in lines if "losses" in line]
    evaluations = [line for line in lines if "metrics" in line]
    figure = new_figure(10, 3.6)
    left, right = figure.subplots(1, 2)
    steps = [line["step"] for line in losses]
    styles = {"total": {"color": QUIET, "lw": 2.5}}
    terms = [term for term in losses[0]["losses"] if term != "total"]
    styles |= {t: {"color": c, "ls": ls} for t, c, ls in zip(terms, PALETTE, LINES, strict=False)}
    for term, style in styles.items():
        values = [record["losses"][term] for record in losses]
        if any(value > 0 for value in values):
            left.plot(steps, values, label=term, **style)
    left.set(xlabel="step", ylabel="loss", yscale="log")
    left.yaxis.set_major_formatter(PlainLogFormatter())
    left.yaxis.set_minor_formatter(PlainLogFormatter())
    left.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    of_frames = any(line["metrics"].get("auc1") is not None for line in evaluations)
    shown = SHOWN if of_frames or not evaluations else OF_VIDEOS
    for name, colour, marker in zip(shown, PALETTE, MARKERS, strict=False):
        metric = METRICS[name]
        found = [(line["step"], line["metrics"].get(name)) for line in evaluations]
        found = [(step, metric.shown(value)) for step, value in found if value is not None]
        if found:
            style = {"color": colour, "marker": marker, "ms": 4, "lw": 1.3}
            right.plot(*zip(*found, strict=True), label=metric.heading, **style)
    videos = "on the test set" if shown is SHOWN else "of whole videos"
    right.set(xlabel="step", ylabel=videos, ylim=(0, 100))
    right.set_xlim(left.get_xlim())
    if evaluations:
        right.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.suptitle(title, fontsize=9)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    return figure
