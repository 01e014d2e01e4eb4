"""A copy of a small data set for tests to spoil, the commands that read it, and ways to spoil it.

A way is a function of the copy; it may return a dictionary of options to add to the command.
"""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import torch
import yaml

from benchmarks import bench
from helpers.scripts import SCRIPTS, options_of
from utils import check_data, demo_data, demo_report, make_lists
from utils.options.parser import as_arguments

ANNOTATIONS = {
    "ucf": ["Temporal_Anomaly_Annotation.txt"],
    "xd": ["annotations.txt", "annotations_multiclasses.txt"],
}


class World:
    """A copy of a small data set that a case may spoil, and the options that name it."""

    def __init__(self, base, name: str, folder: Path):
        self.base, self.name, self.folder = base, name, folder
        self.out = folder / "out"
        shutil.copytree(base.folder, folder, dirs_exist_ok=True)
        self.out.mkdir()
        for listed in (folder / "list").glob("*.csv"):
            listed.write_text(listed.read_text().replace(str(base.folder), str(folder)))
        self.options = {
            key: str(value).replace(str(base.folder), str(folder))
            for key, value in base.options.items()
        }
        (self.out / "model.pth").symlink_to(base.weights)

    def stamps(self) -> dict[Path, tuple[int, int] | None]:
        """What is there, and of files what shows that one was written to: size and time."""

        def stamp(path: Path) -> tuple[int, int] | None:
            stat = path.stat()
            return None if path.is_dir() else (stat.st_size, stat.st_mtime_ns)

        return {path: stamp(path) for path in self.folder.rglob("*") if path.suffix != ".lock"}

    def path(self, option: str) -> Path:
        return Path(self.options[option])

    def lines(self, option="test-list") -> list[str]:
        return self.path(option).read_text().splitlines()

    def rewrite(self, lines, option="test-list", encoding="utf-8", end="\n") -> None:
        self.path(option).write_bytes((end.join(lines) + end).encode(encoding))

    def feature(self, option="test-list", line=2) -> Path:
        """The feature file of a line of a list."""
        return Path(self.lines(option)[line - 1].rsplit(",", 1)[0])

    def weights(self, value) -> None:
        """Another weight file: bytes, or what torch.save makes of a value."""
        path = self.out / "model.pth"
        path.unlink()
        path.write_bytes(value) if isinstance(value, bytes) else torch.save(value, path)

    def arguments(self, more: dict) -> list[str]:
        return [*options_of(self.out, self.options), *as_arguments(more)]

    def make_lists(self, more: dict) -> list[str]:
        sides = ["--features=features"]
        if self.name == "xd":
            sides = ["--features=train_features", "--test-features=test_features"]
        sides = [side.replace("=", f"={self.folder}/") for side in sides]
        annotations = [str(self.folder / file) for file in ANNOTATIONS[self.name]]
        others = as_arguments({"out": self.out / "list", **more})
        return [self.name, *sides, "--annotations", *annotations, *others]


def commands(name):
    scripts = SCRIPTS[name]
    return {
        f"{name}_train": lambda world, more: scripts.train(world.arguments(more)),
        f"{name}_test": lambda world, more: scripts.test(world.arguments(more)),
        f"make_lists {name}": lambda world, more: make_lists.main(world.make_lists(more)),
        f"check_data {name}": lambda w, more: check_data.main([name, *w.arguments(more)]),
        f"demo_report {name}": lambda w, more: demo_report.main([name, *w.arguments(more)]),
        f"demo_data {name}": lambda _, more: demo_data.main([name, *as_arguments(more)]),
        "bench": lambda _, more: bench.main(as_arguments(more)),
    }


COMMANDS = {**commands("ucf"), **commands("xd")}


def option(name, value):
    """A case whose options alone are wrong."""
    return lambda world: {name: value}


def array(change, which="test-list", line=2):
    """A case with a feature file replaced by what `change` makes of its array."""

    def spoil(world):
        path = world.feature(which, line)
        changed = change(np.load(path))
        path.write_bytes(changed) if isinstance(changed, bytes) else np.save(path, changed)

    return spoil


def content(change, which="test-list", line=2):
    """The same with the file's bytes."""

    def spoil(world):
        path = world.feature(which, line)
        path.write_bytes(change(path.read_bytes()))

    return spoil


def lines(change, which="test-list", **how):
    """A case with a list whose lines are changed."""
    return lambda world: world.rewrite(change(world.lines(which)), which, **how)


def text(value, which):
    """A case with another content of a file that an option names."""
    return lambda world: world.path(which).write_bytes(value)


def replaced(old, new, which):
    """A case with another word in a file that an option names."""
    return lambda world: world.path(which).write_text(
        world.path(which).read_text().replace(old, new)
    )


def backwards(world):
    path = world.path("gt-segment-path")
    path.write_text(json.dumps({name: [[9, 2]] for name in json.loads(path.read_text())}))


def weights(change):
    """A case with other weights, made of the bytes or the state dict of good ones."""
    return lambda world: world.weights(change(world.base))


def with_nan(features):
    features[2, 5] = np.nan
    return features


def structured(features):
    return np.zeros(len(features), dtype=[("a", "f4"), ("b", "f4")])


def claiming(shape):
    """Change of a file's bytes: the header promises another shape."""

    def change(data):
        header = f"{{'descr': '<f2', 'fortran_order': False, 'shape': {shape}, }}"
        return data[:10] + header.ljust(len(data[10:128]) - 1).encode() + b"\n" + data[128:]

    return change


def config(value: bytes):
    def spoil(world):
        (world.folder / "c.yml").write_bytes(value)
        return {"config": world.folder / "c.yml"}

    return spoil


def texts(value):
    """Hand-written class texts: as YAML has them, or the file's own text; None for no file."""

    def spoil(world):
        path = world.folder / "t.yml"
        if value is not None:
            path.write_text(value if isinstance(value, str) else yaml.safe_dump(value))
        return {"text-tuning": "manual", "texts": path}

    return spoil


def annotations(value: str, file=0):
    return lambda world: (world.folder / ANNOTATIONS[world.name][file]).write_text(value)


def gone(which):
    return lambda world: world.path(which).unlink()


def other_label(label):
    return lambda rows: [*rows[:2], rows[2].rsplit(",", 1)[0] + f",{label}", *rows[3:]]


def clip_file(value):
    def spoil(world):
        path = world.folder / "clip.pt"
        path.write_bytes(value) if isinstance(value, bytes) else torch.save(value, path)
        return {"clip-weights": path}

    return spoil


def of_other_videos(world):
    path = world.folder / "p.npz"
    zeros = np.zeros(3, np.float32)
    of_class = {"probabilities": zeros[:, None], "classes": ["A"]}
    np.savez(path, videos=["v"], lengths=[3], scores=zeros, **of_class)
    return {"predictions": path}


def a_cached(change):
    def spoil(world):
        change(world)
        return {"cache": world.folder / "list"}

    return spoil


def no_text(base):
    return {k: v for k, v in base.state.items() if not k.startswith("clipmodel.")}


def npz(features) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=features)
    return buffer.getvalue()
