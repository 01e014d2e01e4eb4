"""What is printed does not steer the terminal it is printed to."""

import pytest

from utils.system.command import command
from utils.system.console import note, printable, say
from utils.system.errors import UserError

EVIL = "a\x1b]0;title\x07b\u202ec"
ESCAPED = r"a\x1b]0;title\x07b\u202ec"


def test_characters_that_steer_are_escaped_and_others_stay():
    assert printable(EVIL) == ESCAPED
    assert printable("straße\t日本\n%") == "straße\t日本\n%"


def test_all_ways_to_print(capsys):
    @command
    def main():
        say(EVIL)
        note(EVIL)
        raise UserError(EVIL)

    with pytest.raises(SystemExit):
        main()
    out, err = capsys.readouterr()
    assert out == f"{ESCAPED}\n"
    assert err == f"note: {ESCAPED}\nerror: {ESCAPED}\n"
