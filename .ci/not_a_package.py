"""`pip install .` ends here (see pyproject.toml): there is nothing to install."""

import sys

sys.exit(
    "\nThere is nothing to install: this folder is the program. Run its scripts from here.\n"
    "'pip install -r requirements.txt' brings what they need; 'make demo' does that by itself.\n"
)
