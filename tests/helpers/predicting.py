"""predict.py and what it says."""

import predict
from helpers.scripts import exit_code


def error_of(arguments, capsys) -> str:
    """The one line of a command that ends with exit code 2."""
    assert exit_code(predict.main, arguments) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    return errors[0]
