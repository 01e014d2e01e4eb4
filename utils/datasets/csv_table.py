"""Tables that people write, as CSV with a header."""

from pathlib import Path

import pandas as pd

from utils.system.errors import UserError
from utils.system.files import composed


def read_cells(path: Path | str) -> list[tuple[str, ...]]:
    """Texts of every line, the header and blank ones included; pandas' errors are the caller's."""
    table = pd.read_csv(
        path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig",
        skip_blank_lines=False,
    )  # fmt: skip
    return list(table.itertuples(index=False, name=None))


def read_table(
    path: Path | str, columns: tuple[str, ...], optional: tuple[str, ...] = (), what: str = "table"
) -> list[tuple[int, list[str]]]:
    """Line number and texts of each line that is not blank, without spaces around them.

    Args:
        path: of the table.
        columns: that it must have.
        optional: further ones; the text of one that is not there is empty.
        what: errors call it.

    Raises:
        UserError: it is not there, is not a table, or has not these columns once each.
    """
    try:
        header, *lines = ([composed(text.strip()) for text in line] for line in read_cells(path))
    except FileNotFoundError:
        raise UserError(f"{what} {path} not found: expected CSV, {','.join(columns)}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text: save it as such") from None
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} is empty: expected the line {','.join(columns)} first") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as CSV: {' '.join(str(error).split())}") from None
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            raise UserError(f"{path} is separated by {name}: save it with commas")
    for name in (*columns, *optional):
        count = header.count(name)
        if count > 1 or (not count and name in columns):
            further = f" and, where they are known, {', '.join(optional)}" if optional else ""
            raise UserError(
                f"{path} has the columns {', '.join(header)}; expected {', '.join(columns)}"
                f"{further} ({name} {'appears twice' if count else 'is missing'})"
            )
    places = [header.index(name) if name in header else None for name in (*columns, *optional)]
    texts = [["" if i is None else line[i] for i in places] for line in lines]
    return [(n, of_line) for n, of_line in enumerate(texts, start=2) if any(of_line)]
