"""What all figures share: colours, lines, and how they are saved."""

from pathlib import Path

from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from utils.system.files import whole_file

# Okabe and Ito's palette, legible to the colour-blind, without its yellow, too light for lines.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Told apart without colour, too.
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")
TRUTH = "#E69F00"  # shades what is annotated, or taken for an event
NORMAL_COLOUR, ABNORMAL_COLOUR = PALETTE[:2]
QUIET = "#999999"
rcParams["text.parse_math"] = False  # a $ in a name is a $
FORMATS = ("png", "svg", "pdf")
DPI = 200  # of the PNG: sharp in print at a column's width


def new_figure(width: float, height: float) -> Figure:
    """Size in inches."""
    return Figure(figsize=(width, height), layout="constrained")


class PlainLogFormatter(LogFormatter):
    """Ticks of a logarithmic axis as plain numbers; Matplotlib's own are formulas, which are not
    set here."""

    def __call__(self, x, pos=None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def save_figure(figure: Figure, path: Path) -> None:
    """In the format that the suffix names."""
    undated = {"metadata": {"CreationDate": None}} if path.suffix == ".pdf" else {}
    with whole_file(path) as partial, rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
        figure.savefig(partial, dpi=DPI, **undated)


def save_formats(figure: Figure, folder: Path, name: str) -> Path:
    """As PNG, and as SVG and PDF whose text stays text; returns the path of the PNG."""
    for kind in FORMATS:
        save_figure(figure, folder / f"{name}.{kind}")
    return folder / f"{name}.{FORMATS[0]}"
