"""What is said of one video: the scores of its snippets, and the events in them."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from utils.datasets.lists import video_name
from utils.evaluation.scored_videos import Prediction
from utils.event_defaults import FPS, MIN_CONFIDENCE, MIN_SECONDS
from utils.events.annotated import KnownEvents, Segment
from utils.find_events import Event, Timeline, find_events
from utils.labels import Dataset
from utils.row_time import FRAMES, RowTime
from utils.system.errors import UserError
from utils.videos.frames import frame_times
from utils.videos.inputs import is_features

FAINT = 0.2  # where all classes are less likely than this, none is shown in full colour


class About(NamedTuple):
    """Where answers come from, as their records say.

    Attributes:
        weights: the file.
        method: as `--method` names it.
        min_confidence: of an event.
        zero_shot: file of the classes, where they are not those of the weights.
    """

    weights: str
    method: str
    min_confidence: float = MIN_CONFIDENCE
    zero_shot: str | None = None


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
    """

    name: str
    source: Path
    facts: Dataset
    prediction: Prediction
    timeline: Timeline
    events: list[Event]
    about: About
    truth: list[Segment] | None = None

    @property
    def is_video(self) -> bool:
        return not is_features(self.source)

    @property
    def full_colour(self) -> float:
        """The probability of a class that is drawn in full colour."""
        return max(FAINT, float(self.prediction.probabilities[:, 1:].max()))


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
        video, times = source.stem, frame_times(source)
        row, length = RowTime(FRAMES, facts.frames_per_row()), None  # its frames tell
    try:
        rows = len(prediction.score)
        timeline = Timeline(rows, fps or facts.fps or FPS, times, row, length)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None
    events = find_events(prediction, facts, timeline, about.min_confidence, min_seconds)
    truth = known and known.of(video, timeline)
    return Answer(name, source, facts, prediction, timeline, events, about, truth)
