"""predict.py and what it says."""

import predict
from helpers.scripts import one_error


def error_of(arguments, capsys) -> str:
    """The one line of a command that ends with exit code 2."""
    return one_error(predict.main, capsys, arguments)
