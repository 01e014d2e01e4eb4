"""Curves of a test with their uncertainty: ROC and precision-recall, recall over false alarms,
delay, and reliability. The bands are 95 % intervals over resamples of the videos."""

import warnings
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from utils.detection_map import IOU_THRESHOLDS
from utils.evaluation.alarms import (
    Delays,
    all_events,
    correct_events,
    hours_of_normal_videos,
    in_order,
)  # fmt: skip
from utils.evaluation.bootstrap import ENDS, resample_weights
from utils.evaluation.calibration import BINS, calibration_sums
from utils.evaluation.frames import ranking_of
from utils.evaluation.ranking import TOLERANCE, Ranking
from utils.evaluation.scored_videos import ScoredVideos
from utils.figures.style import LINES, PALETTE, QUIET, new_figure
from utils.metric_names import RATES
from utils.system.errors import UserError

RESAMPLES = 300  # are enough for the eye
AT_ONCE = 50
POINTS = 200  # of a curve
LOWEST_RATE = 0.1  # false alarms an hour
SHORTEST = 1.0  # delay that is shown, in seconds
# (B, V) weights -> for each panel (B, points)
Values = Callable[[np.ndarray], list[np.ndarray]]


def draw(panels: list[tuple], values: Values, videos: int, **style) -> None:
    """A curve in each panel, and the band in which it lies on other videos.

    Args:
        panels: axes, and where their curves have points.
        values: of all panels.
        videos: V.
        style: of the curves.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = values(np.ones((1, videos)))
        weights = resample_weights(videos, RESAMPLES)
        parts = [values(weights[i : i + AT_ONCE]) for i in range(0, RESAMPLES, AT_ONCE)]
    for (axis, x), (curve,), resampled in zip(panels, plain, zip(*parts, strict=True), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a point may be undefined in all
            low, high = np.nanpercentile(np.concatenate(resampled), ENDS, axis=0)
        axis.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)
        axis.plot(x, curve, lw=1.6, **style)


def styles(names) -> list[dict]:
    return [
        {"color": colour, "ls": line, "label": name}
        for name, colour, line in zip(names, PALETTE, LINES, strict=False)
    ]


def finish(figure: Figure, axes) -> Figure:
    """A legend for all panels, and no frame where there is no axis."""
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    labelled = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    if len(labelled) > 1:
        place = {"loc": "outside upper center", "ncols": len(labelled), "frameon": False}
        figure.legend(labelled.values(), labelled.keys(), **place)
    return figure


def roc_and_pr(methods: dict[str, list[ScoredVideos]]) -> Figure:
    """By frame, of S_det; of several runs of a method the mean."""
    figure = new_figure(9, 4)
    left, right = figure.subplots(1, 2)
    x = np.linspace(0, 1, POINTS)
    for runs, style in zip(methods.values(), styles(methods), strict=True):
        rankings = [ranking_of(scored, scored.flat_scores) for scored in runs]

        def recall_and_precision(weights, rankings=rankings):
            curves = [ranking.curves(weights) for ranking in rankings]
            recall = np.mean([of_run.roc(x) for of_run in curves], axis=0)
            precision = [[of_run.precision_at(r) for r in x[1:]] for of_run in curves]
            return [recall, np.mean(precision, axis=0).T]

        draw([(left, x), (right, x[1:])], recall_and_precision, runs[0].num_videos, **style)
    truth = runs[0].truth
    share = truth.abnormal.sum() / truth.durations.sum()
    left.plot([0, 1], [0, 1], color=QUIET, lw=0.8, ls=":")
    right.axhline(share, color=QUIET, lw=0.8, ls=":")
    left.set(xlabel="false-positive rate", ylabel="recall (true-positive rate)")
    right.set(xlabel="recall", ylabel="precision")
    for axis in (left, right):
        axis.set(xlim=(0, 1), ylim=(0, 1.01))
    return finish(figure, (left, right))


def recall_over_alarms(methods: dict[str, ScoredVideos]) -> Figure:
    """Annotated events that are found, over false alarms per hour of normal video, as the
    confidence that makes an alarm falls."""
    for name, scored in methods.items():
        require_probabilities(name, scored)
        if scored.anomalous.all():
            raise UserError("there is no normal video, so false alarms cannot be counted")
    figure = new_figure(6, 4)
    axis = figure.subplots()
    curves, most = [], 1.0
    for scored in methods.values():
        events = all_events(scored)
        hits = correct_events(events, scored.spans)[0]
        false = ~scored.anomalous[events.video]
        ranking = Ranking(events.confidence, 1.0 * hits, 1.0 * (hits | false), events.video,
            scored.num_videos)  # fmt: skip
        hours, annotated = hours_of_normal_videos(scored), [len(s) for s in scored.spans]
        curves.append((scored, ranking, hours, np.array(annotated)))
        most = max(most, false.sum() / hours.sum())
    x = np.geomspace(LOWEST_RATE, most, POINTS)
    for (scored, ranking, hours, annotated), style in zip(curves, styles(methods), strict=True):

        def recall(weights, ranking=ranking, hours=hours, annotated=annotated):
            sums, per_hour = ranking.curves(weights), weights @ hours
            tp = np.hstack([np.zeros((len(weights), 1)), sums.tp])
            rates = x * per_hour[:, None] * TOLERANCE
            count = np.stack(
                [np.searchsorted(f, r, "right") for f, r in zip(sums.fp, rates, strict=True)]
            )
            return [np.take_along_axis(tp, count, axis=1) / (weights @ annotated)[:, None]]

        draw([(axis, x)], recall, scored.num_videos, **style)
    axis.set(xscale="log", xlim=(x[0], x[-1]), ylim=(0, 1.01))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set(xlabel="false alarms per hour of normal video", ylabel=f"annotated events found "
        f"(IoU ≥ {IOU_THRESHOLDS[0]:g})")  # fmt: skip
    return finish(figure, (axis,))


def delay_curves(methods: dict[str, ScoredVideos]) -> Figure:
    """Share of the annotated events that have had an alarm, over the time since they began."""
    figure = new_figure(10, 3.6)
    axes = figure.subplots(1, len(RATES), sharey=True)
    counted, longest = [], SHORTEST
    for scored in methods.values():
        ranking = ranking_of(scored, scored.flat_scores)
        delays = Delays(scored.scores, scored.seconds, scored.spans)
        counted.append((scored, ranking, delays))
        count = ranking.curves(np.ones((1, scored.num_videos))).count_within(max(RATES.values()))
        after = delays.at(ranking.threshold(count))
        longest = max(longest, after[np.isfinite(after)].max(initial=0))
    x = np.linspace(0, longest, POINTS)
    for (scored, ranking, delays), style in zip(counted, styles(methods), strict=True):

        def alarmed(weights, ranking=ranking, delays=delays):
            curves, times, shares = ranking.curves(weights), weights[:, delays.video], []
            for rate in RATES.values():
                after = delays.at(ranking.threshold(curves.count_within(rate)))  # [B, E]
                after, reached = in_order(after, times)
                reached = np.hstack([np.zeros((len(weights), 1)), reached])
                until = np.stack([np.searchsorted(a, x, "right") for a in after])
                of_rate = np.take_along_axis(reached, until, axis=1)
                shares.append(of_rate / times.sum(axis=1)[:, None])
            return shares

        draw([(axis, x) for axis in axes], alarmed, scored.num_videos, **style)
    for axis, percent in zip(axes, RATES, strict=True):
        axis.set_title(f"{percent} % false positives", fontsize=10)
        axis.set(xlabel="seconds since the event began", xlim=(0, longest), ylim=(0, 1.01))
    axes[0].set_ylabel("events that have had an alarm")
    return finish(figure, axes)


def require_probabilities(name: str, scored: ScoredVideos) -> None:
    """
    Raises:
        UserError: scores are none.
    """
    if not scored.are_probabilities:
        raise UserError(f"scores of {name} are not probabilities: they leave 0 … 1")


def reliability(methods: dict[str, ScoredVideos]) -> Figure:
    """Share of abnormal frames over the score, and how many frames have it."""
    figure = new_figure(6, 5)
    axis, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middle = (np.arange(BINS) + 0.5) / BINS
    width = 0.9 / BINS / len(methods)
    for i, (scored, style) in enumerate(zip(methods.values(), styles(methods), strict=True)):
        require_probabilities(style["label"], scored)
        sums = calibration_sums(scored, scored.flat_scores)

        def share(weights, sums=sums):
            frames, _, abnormal = np.moveaxis(np.tensordot(weights, sums, axes=1), 1, 0)
            return [abnormal / frames]

        draw([(axis, middle)], share, scored.num_videos, marker="o", ms=3, **style)
        frames = sums[:, 0].sum(axis=0)
        place = middle + width * (i - (len(methods) - 1) / 2)
        counts.bar(place, frames / frames.sum(), width, color=style["color"])
    axis.plot([0, 1], [0, 1], color=QUIET, lw=0.8, ls=":")
    axis.set(ylabel="share of abnormal frames", xlim=(0, 1), ylim=(0, 1.01))
    lowest = min(bar.get_height() for bar in counts.patches if bar.get_height())
    counts.set(xlabel="score", ylabel="frames", yscale="log", ylim=(lowest / 3, 1))
    counts.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    return finish(figure, (axis, counts))
