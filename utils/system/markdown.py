"""Tables in Markdown whose columns stand in line."""


def aligned(header: list[str], lines: list[list[str]], texts: int = 0) -> str:
    """The first column and the `texts` last ones are texts, the others numbers."""
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    numbers = [0 < i < len(widths) - texts for i in range(len(widths))]

    def joined(cells: list[str]) -> str:
        columns = zip(cells, widths, numbers, strict=True)
        return f"| {' | '.join(c.rjust(w) if n else c.ljust(w) for c, w, n in columns)} |"

    rule = ["-" * (w - n) + ":" * n for w, n in zip(widths, numbers, strict=True)]
    return "\n".join([joined(header), joined(rule), *map(joined, lines)])
