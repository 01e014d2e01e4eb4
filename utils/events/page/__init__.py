"""Answers as pages: an HTML file beside each video, and one that lists them all.

They need no network: style and scripts (page.css, page.js, index.js) and small pictures stand in
them. The video itself does not; it is looked for where it lay, then beside the page, and can be
chosen by hand.
"""

import base64
import io
import math
import os
from pathlib import Path, PurePath
from urllib.parse import quote

import jinja2
import numpy as np
from matplotlib.image import imsave

from utils.events.answer import Answer
from utils.events.pictures import listed_events
from utils.find_events import ABNORMALITY, SHARE
from utils.system.console import plural
from utils.system.files import write_text

MOST_POINTS = 2000  # of a curve: more than a screen has pixels
INDEX_POINTS = 160
SMALLEST_RANGE = 1e-6  # of shares that are told apart by colour
BAND_COLOUR = (0, 114, 178)  # as the score's; how likely a class is shows in its opacity


def clock(seconds: float, digits: int = 1) -> str:
    """83.25 -> `1:23.3`, 3683 -> `1:01:23.0`."""
    unit = 10**digits
    whole, rest = divmod(math.floor(seconds * unit + 0.5), unit)
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    text = f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"
    return f"{text}.{rest:0{digits}}" if digits else text


def relative_link(target: Path, folder: Path) -> str:
    """URL of a file as seen from a folder."""
    try:
        path = os.path.relpath(target, folder)
    except ValueError:  # another drive
        return target.absolute().as_uri()
    return quote(os.fsencode(PurePath(path).as_posix()))  # a folder's name need not be UTF-8


def curve(answer: Answer, most: int) -> str:
    """SVG path of the score over seconds, 0 below and 1 above; of neighbouring snippets that share
    a point the highest."""
    score, edges = answer.prediction.score, answer.timeline.edges
    groups = np.unique(np.linspace(0, len(score), min(len(score), most) + 1).astype(int))
    heights = 1 - np.maximum.reduceat(score, groups[:-1])
    ends = edges[groups[1:]]
    steps = "".join(f"V{y:.3f}H{x:.3f}" for y, x in zip(heights, ends, strict=True))
    return f"M{edges[0]:.3f},{heights[0]:.3f}{steps}"


def bands(answer: Answer) -> dict | None:
    """A picture as a data URL, a row for each anomaly class, the more opaque the larger its share;
    columns are equally long. And the lowest and the highest share, which its colours stand for."""
    if answer.shares is None:
        return None
    edges, values = answer.timeline.edges, answer.shares
    lowest, highest = float(values.min()), float(values.max())
    times = np.linspace(0, edges[-1], MOST_POINTS, endpoint=False)
    first = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, len(values) - 1)
    values = np.maximum.reduceat(values, first, axis=0).T  # (C − 1, columns)
    picture = np.empty((*values.shape, 4), np.uint8)
    picture[..., :3] = BAND_COLOUR
    picture[..., 3] = 255 * (values - lowest) / max(highest - lowest, SMALLEST_RANGE)
    picture[:, times < edges[0], 3] = 0  # before the pictures begin
    file = io.BytesIO()
    imsave(file, picture, format="png")
    return {"url": data_url("png", file.getvalue()), "lowest": lowest, "highest": highest}


def data_url(kind: str, picture: bytes) -> str:
    """Of a picture, `png` or `jpeg`, that stands in the page itself."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def for_script(answer: Answer) -> dict:
    """What page.js has to know."""
    score, shares = answer.prediction.score, answer.shares
    data = {"edges": answer.timeline.edges.round(3).tolist(), "score": score.round(5).tolist()}
    if shares is not None:
        data |= {
            "names": answer.facts.names[1:],
            "likeliest": shares.argmax(axis=1).tolist(),
            "share": shares.max(axis=1).round(5).tolist(),
        }
    return data


def write_page(answer: Answer, place: Path, index: Path | None) -> None:
    """`<place>.html` of one answer, with a link to the page that lists all."""
    folder = place.parent
    sources = [quote(answer.proxy.name)] if answer.proxy else []
    if answer.is_video:
        sources += [relative_link(answer.source, folder), quote(answer.source.name)]
    _write(
        Path(f"{place}.html"),
        "video.html",
        answer=answer,
        sources=list(dict.fromkeys(sources)),
        curve=curve(answer, MOST_POINTS),
        bands=bands(answer),
        data=for_script(answer),
        index=index and relative_link(index, folder),
        files={kind: quote(f"{place.name}.{kind.lower()}") for kind in ("JSON", "CSV")},
    )


def write_index(answers: list[Answer], failures: list[str], path: Path, whole: bool) -> None:
    """The page that lists all, highest score first, and what failed; `whole` unless the command was
    ended before it had come to all."""
    rows = [listed(answer) for answer in sorted(answers, key=lambda a: -a.abnormality)]
    names = sorted({event.name for answer in answers for event in answer.events})
    warnings = dict.fromkeys(a.about.warning for a in answers if a.about.warning)
    _write(path, "index.html", rows=rows, names=names, warnings=warnings, failures=failures,
           whole=whole)  # fmt: skip


def listed(answer: Answer) -> dict:
    """What the list says of one video."""
    urls = [picture and data_url("jpeg", picture) for picture in answer.pictures]
    events = listed_events(answer)
    picture, *of_events = urls or [None] * (1 + len(events))
    return {
        "answer": answer,
        "link": quote(f"{answer.name}.html"),
        "curve": curve(answer, INDEX_POINTS),
        "picture": picture,
        "events": list(zip(events, of_events, strict=True)),
        "names": sorted({event.name for event in answer.events}),
    }


def _write(path: Path, template: str, **values) -> None:
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["clock"] = clock
    pages.globals |= {"ABNORMALITY": ABNORMALITY, "SHARE": SHARE, "plural": plural}
    text = pages.get_template(template).render(values)
    write_text(path, text.encode(errors="backslashreplace").decode())  # names need not be UTF-8
