"""YAML files that people write."""

from pathlib import Path

import yaml

from utils.system.errors import UserError

MOST_BYTES = 2**20  # of what people write by hand


class _Loader(yaml.SafeLoader):
    """Refuses what YAML forbids and PyYAML lets pass, the last one winning: a key given twice. And
    aliases, nests of which unfold to any size."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()
            raise yaml.composer.ComposerError(
                None, None, f"the alias *{event.anchor} is refused: write it out", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key}' appears twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path | str, what: str):
    """The plain value that a file holds.

    Raises:
        UserError: it cannot be read, or is not YAML; the message calls it `what`.
    """
    try:
        if (size := Path(path).stat().st_size) > MOST_BYTES:
            raise ValueError(f"it has {size:,} bytes, more than the {MOST_BYTES:,} that are read")
        return yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UserError(f"{what} {path} cannot be read: {reason}".lstrip()) from None
