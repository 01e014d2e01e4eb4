"""`ucf_test.py` with a clock on its parts; see `benchmarks/process.py`, which starts it.

    python -m benchmarks.clocked_test SECONDS OPTIONS...

SECONDS: `time.time()` when the process was started. The last line is JSON, seconds by part.
"""

import json
import sys
import time
from functools import wraps

import ucf_test
from utils.runs import testing

# Functions as `utils/runs/testing.py` calls them.
PARTS = (
    ("weights", testing.Detector, "of"),
    ("data", testing, "EvaluationSet"),
    ("scoring", testing, "score"),
    ("evaluation", testing, "Evaluation"),
    ("evaluation", testing, "results_of"),
)


def main(begun: float, options: list[str]) -> None:
    taken = {"imports": time.time() - begun}
    for part, owner, name in PARTS:
        setattr(owner, name, clocked(getattr(owner, name), part, taken))
    ucf_test.main(options)
    print(json.dumps(taken))


def clocked(function, part: str, taken: dict[str, float]):
    """The same function, which adds its seconds to those that the part has taken."""

    @wraps(function, updated=())
    def run(*args, **named):
        begun = time.time()
        try:
            return function(*args, **named)
        finally:
            taken[part] = taken.get(part, 0.0) + time.time() - begun

    return run


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
