"""Bad input is one clear line, never a traceback."""


class UserError(ValueError):
    """Something the user can put right: the message names file and row, what was found, what was
    expected and what to do, in one line, even where a file name has several."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines()))
