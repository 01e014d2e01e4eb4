"""What counts as an event unless the user says otherwise. No PyTorch here, so that options are read
without it."""

FPS = 30.0  # frames a second of a video that is not there to ask
MIN_CONFIDENCE = 0.5  # of an event: its highest score is at least this
MIN_SECONDS = 0.0  # of an event: it is at least this long
