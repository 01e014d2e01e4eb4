"""YAML files that people write."""

from pathlib import Path

import yaml

from utils.system.errors import UserError


class _Loader(yaml.SafeLoader):
    """Refuses what YAML forbids and PyYAML lets pass, the last one winning: a key given twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key}' is there twice", node.value[i][0].start_mark
                )
        return super().construct_mapping(node, deep)


def read_yaml(path: Path | str, what: str):
    """The plain value that a file holds.

    Raises:
        UserError: it cannot be read, or is no YAML; the message calls it `what`.
    """
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UserError(f"{what} {path} cannot be read: {reason}".lstrip()) from None
