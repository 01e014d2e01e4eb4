"""The videos that weights are selected on, and those that the result is of."""

from pathlib import Path
from typing import NamedTuple

from utils.datasets.lists import Row
from utils.datasets.split import identity
from utils.engine import EvaluationSet
from utils.labels import Dataset
from utils.metric_names import METRICS
from utils.options.datasets import has_test_set
from utils.system.console import note
from utils.system.errors import UserError


class EvaluationSets(NamedTuple):
    """
    Attributes:
        facts: of the data set.
        selection: what weights are evaluated on while they are trained; None where there is
            nothing.
        test: the test set; None where there is none.
        held_out: `split.identity` of the validation videos.
    """

    facts: Dataset
    selection: EvaluationSet | None
    test: EvaluationSet | None
    held_out: str | None = None

    @classmethod
    def of(cls, args, facts: Dataset, held_out: list[Row]) -> "EvaluationSets":
        """
        Args:
            args: options.
            facts: of the data set.
            held_out: validation videos.

        Raises:
            UserError: a list or the ground truth cannot be used.
        """
        on_validation = args.select_on == "validation"
        selection = EvaluationSet(args, facts, held_out) if on_validation else None
        test = None
        if has_test_set(args, facts):
            test = _test_set(args, facts)
        elif on_validation:
            note(f"there is no {args.test_list}: the result is of the validation videos alone")
        else:
            note(f"there is no {args.test_list}: nothing is evaluated, the last step's are kept")
        if args.select == "best" and not on_validation:
            _require_both_kinds(test, args.select_by)
        return cls(facts, selection or test, test, identity(held_out))


def _require_both_kinds(test: EvaluationSet, select_by: str) -> None:
    """
    Raises:
        UserError: the metric is not defined on the test set.
    """
    if METRICS[select_by].of_videos:
        what, one_kind = "video", len({row.normal for row in test.rows}) == 1
    else:
        what, one_kind = "frame", test.truth and test.truth.one_kind
    if one_kind:
        raise UserError(
            f"weights cannot be selected by {select_by}: the test set has only one kind of {what}; "
            "give --validation 0.1 or --select last"
        )


def _test_set(args, facts: Dataset) -> EvaluationSet:
    try:
        return EvaluationSet(args, facts)
    except UserError as error:
        hint = "; without a test set, train with --select last or with --validation 0.1"
        missing = facts.is_own and not Path(args.test_list).is_file()
        raise UserError(f"{error}{hint if missing else ''}") from None
