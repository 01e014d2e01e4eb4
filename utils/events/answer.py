"""What is said of one video: the scores of its snippets, and the events in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from utils.datasets.features import video_name
from utils.evaluation.scored_videos import Prediction
from utils.event_defaults import FPS, MIN_CONFIDENCE, MIN_SECONDS
from utils.events.annotated import KnownEvents, Segment
from utils.find_events import Event, Timeline, anomaly_shares, find_events
from utils.labels import Dataset
from utils.network.backbone import is_random, random_clip
from utils.row_time import FRAMES, RowTime
from utils.system.errors import UserError
from utils.system.files import composed
from utils.videos.frames import frame_times
from utils.videos.inputs import is_features


class About(NamedTuple):
    """Where answers come from, as their records say.

    Attributes:
        weights: the file.
        method: as `--method` names it.
        min_confidence: of an event.
        zero_shot: file of the classes, where they are not those of the weights.
        random_clip: sides of CLIP whose weights are random numbers, `text` and `visual`.
        version: of this code, see `git_state`.
        sha256: of the weights, `model_path`, and of CLIP's file that they were trained and the
            features made with, `clip_text` and `clip_visual`, as far as they are known.
        temperature: β of the class probabilities.
    """

    weights: str
    method: str
    min_confidence: float = MIN_CONFIDENCE
    zero_shot: str | None = None
    random_clip: tuple[str, ...] = ()
    version: dict | None = None
    sha256: Mapping[str, str] = MappingProxyType({})
    temperature: float = 1.0

    def on_features_of(self, clip: str | None) -> "About":
        """The same, of features that this CLIP's visual tower made, see `weights_identity`; None
        where it is not known which."""
        if is_random(clip):
            return self._replace(random_clip=(*self.random_clip, "visual"))
        known = {"clip_visual": words[0]} if (words := (clip or "").split()) else {}
        return self._replace(sha256={**self.sha256, **known})

    @property
    def warning(self) -> str | None:
        """What a reader of the answer has to know first."""
        return random_clip(*self.random_clip) if self.random_clip else None


@dataclass
class Answer:
    """What is said of one video.

    Attributes:
        name: path below the output folder, without suffix.
        source: the video, or its feature file.
        facts: whose classes are told.
        prediction, timeline: of its snippets.
        events: by time.
        about: where all this comes from.
        truth: what is known to have happened, by time; None where nothing is known of the video.
        proxy: a copy of the video that every browser plays, if there is one.
        unplayed: format of the video, if browsers probably do not play it.
        pictures: of the video and of its listed events, see `pictures_of`.
    """

    name: str
    source: Path
    facts: Dataset
    prediction: Prediction
    timeline: Timeline
    events: list[Event]
    about: About
    truth: list[Segment] | None = None
    proxy: Path | None = None
    unplayed: str | None = None
    pictures: list[bytes | None] = field(default_factory=list)

    @property
    def is_video(self) -> bool:
        return not is_features(self.source)

    @property
    def abnormality(self) -> float:
        """The highest of the video."""
        return float(self.prediction.score.max())

    @cached_property
    def shares(self) -> np.ndarray | None:
        """(T, C − 1) of the anomaly classes, see `anomaly_shares`; None where none are told."""
        probabilities = self.prediction.probabilities
        if probabilities is None:
            return None
        return anomaly_shares(probabilities, self.about.temperature)


def answer_for(
    name: str,
    source: Path,
    prediction: Prediction,
    facts: Dataset,
    about: About,
    known: KnownEvents | None = None,
    fps: float | None = None,
    min_seconds: float = MIN_SECONDS,
    length: float | None = None,
) -> Answer:
    """The answer for one video.

    Args:
        name, source, prediction, facts, about: as its attributes.
        known: what is known to happen in videos.
        fps: frames a second, where the source is a feature file (by default the data set's, if it
            knows them); a video is asked itself.
        min_seconds: an event's length is at least this.
        length: of the video of a feature file, in the unit of the data set's rows, if it is known.

    Raises:
        UserError: the video cannot be opened; rows are shares of it, and its length is not known.
    """
    video, times, row = video_name(source), None, facts.row
    if not is_features(source):
        size, rows = facts.frames_per_row(), len(prediction.score)
        video, times = composed(source.stem), frame_times(source)
        if times is not None and max(1, len(times) // size) != rows:  # not every packet is a frame
            times = frame_times(source, decode=True)
        row, length = RowTime(FRAMES, size), None  # its frames tell
    try:
        rows = len(prediction.score)
        timeline = Timeline(rows, fps or facts.fps or FPS, times, row, length)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None
    events = find_events(
        prediction, facts, timeline, about.min_confidence, min_seconds, about.temperature
    )
    truth = known and known.of(video, timeline)
    return Answer(name, source, facts, prediction, timeline, events, about, truth)
