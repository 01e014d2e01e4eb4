"""Small videos whose every frame tells its number."""

from pathlib import Path

import av
import numpy as np
import torch

SIZE = (64, 48)  # width, height


def write_video(
    path: Path, count: int, size=SIZE, times=None, rate=25, codec="mpeg4", options=None,
    pixels="yuv420p",
) -> Path:  # fmt: skip
    """Frame i is grey, as bright as `brightness` says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"qscale": "2"})
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        for i in range(count):
            picture = np.full((size[1], size[0], 3), brightness(i), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts = times[i]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def brightness(i: int) -> int:
    return 10 * i % 200 + 20


def levels(images: torch.Tensor) -> list[float]:
    """Mean brightness of each of (F, 3, H, W)."""
    return images.float().mean(dim=(1, 2, 3)).tolist()
