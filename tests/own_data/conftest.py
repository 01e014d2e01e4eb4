from types import SimpleNamespace

import pytest

from helpers.own_set import TWO, own_set
from helpers.scripts import SCRIPTS, drop_checkpoints, run
from helpers.small_clip import small_clip

# Name -> recipe, data set, and options of its training beside those of a short run.
KINDS = {
    "three": ("ucf", {"crops": 2}, {}),
    "two": ("xd", {"classes": TWO, "row": "0.5 seconds", "width": 512}, {}),
    "no events": ("xd", {"events": False}, {}),
    "no test set": ("ucf", {"test": False}, {"select": "last"}),
    "mil": ("xd", {}, {"method": "mil"}),
    "rtfm": ("xd", {}, {"method": "rtfm"}),
    "clip-tsa": ("ucf", {}, {"method": "clip-tsa"}),
    "vadclip": ("ucf", {"row": "16 frames"}, {"method": "vadclip"}),
}
STEPS = 4


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """By kind, made when asked for: a data set, and a training run of a few steps on it."""
    made = {}

    def of(kind):
        if kind not in made:
            recipe, how, more = KINDS[kind]
            folder = tmp_path_factory.mktemp("own")
            with small_clip():
                data = own_set(folder / "shop", **how)
                options = {**data.options, "max-steps": STEPS, **more}
                run(SCRIPTS[recipe].train, folder / "run", options)
            drop_checkpoints(folder / "run")
            made[kind] = SimpleNamespace(
                recipe=recipe,
                data=data,
                options=data.options,
                folder=folder / "run",
                weights=folder / "run" / "model.pth",
            )
        return made[kind]

    return of


@pytest.fixture(scope="session")
def three(trained):
    return trained("three")
