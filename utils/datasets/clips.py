"""A video's features as the network reads them: a training clip, or the chunks of a test video."""

import numpy as np

from utils.datasets.lists import Row


def shorten(feat: np.ndarray, length: int) -> np.ndarray:
    """The valid rows of a training clip: all of a video, or as many as `length`, averaged.

    Args:
        feat: (T, D).
        length: N.

    Returns:
        (min(T, N), D) float32. T > N: row i is the mean of the rows r[i]…r[i+1]−1,
        r = linspace(0, T, N + 1) cut to integers.
    """
    feat = np.asarray(feat, dtype=np.float32)
    if len(feat) <= length:
        return feat
    bounds = np.linspace(0, len(feat), length + 1).astype(int)
    first, count = bounds[:-1], np.diff(bounds)
    total = np.zeros((length, feat.shape[1]), dtype=np.float32)
    with np.errstate(over="ignore"):  # becomes infinite, and the loss says so
        for offset in range(count.max()):  # in order, as np.mean adds: equal to the last bit
            more = count > offset
            total[more] += feat[first[more] + offset]
    return total / count.astype(np.float32)[:, None]


def process_feat(feat: np.ndarray, length: int) -> tuple[np.ndarray, int]:
    """Training clip of a video, padded. Training itself pads on the device; this is the definition,
    for tests, benchmarks and whoever wants one clip.

    Args:
        feat: (T, D).
        length: N.

    Returns:
        (N, D) float32, `shorten` with zeros behind it, and the number of valid rows.
    """
    clip = shorten(feat, length)
    if len(feat) > length:
        return clip, length
    return np.pad(clip, ((0, length - len(clip)), (0, 0))), len(clip)


def process_split(feat: np.ndarray, length: int) -> tuple[np.ndarray, int]:
    """Chunks of a test video, padded. Testing itself pads on the device (`chunk_batches`); this is
    the definition, for tests and benchmarks.

    Args:
        feat: (T, D).
        length: N.

    Returns:
        (S, N, D) float32 and T, with S = ⌊T/N⌋ + 1 and zeros behind row T; where N divides T the
        whole last chunk is zeros.
    """
    feat = np.asarray(feat, dtype=np.float32)
    chunks = len(feat) // length + 1
    padded = np.pad(feat, ((0, chunks * length - len(feat)), (0, 0)))
    return padded.reshape(chunks, length, -1), len(feat)


class FeatureClips:
    """The valid rows of a training clip and its label per row: (≤ N, D) float32, (C,)."""

    def __init__(self, rows: list[Row], visual_length: int):
        self.rows = rows
        self.width = rows[0].width
        self.visual_length = visual_length

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int):
        row = self.rows[index]
        return shorten(row.features(), self.visual_length), row.label
