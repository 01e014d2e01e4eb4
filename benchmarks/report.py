"""The table that the benchmark prints."""

from benchmarks.measure import Result
from utils.system.markdown import aligned

HEAD = ("", "plain", "ours", "ratio", "GFLOP", "GFLOP/s", "of peak")


def table(machine: str, results: list[Result]) -> str:
    """Markdown: plain beside ours, the ratio, and how near the machine's limit ours comes."""
    return "\n".join([machine, "", aligned([*HEAD], [[*cells(r)] for r in results])])


def cells(r: Result) -> tuple[str, ...]:
    if r.plain is None:
        plain = ratio = ""
    else:
        plain = amount(r.plain, r.unit)
        ratio = "all gone" if not r.ours else f"{r.plain / r.ours:.1f}"
    row = r.name, plain, amount(r.ours, r.unit), ratio
    if not r.gflop:
        return (*row, "", "", "")
    rate = r.gflop / r.ours
    return (*row, f"{r.gflop:.0f}", f"{rate:.0f}", f"{100 * rate / r.peak:.0f} %")


def amount(value: float, unit: str) -> str:
    if not unit:
        return f"{value:.0f}"
    return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.3g} {unit}"
