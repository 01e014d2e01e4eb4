"""What several test files share. Tests import it from here, never from one another."""

import pkgutil

import pytest

# So that their assertions show what they compared, as those of tests do.
pytest.register_assert_rewrite(*(f"{__name__}.{m.name}" for m in pkgutil.iter_modules(__path__)))
