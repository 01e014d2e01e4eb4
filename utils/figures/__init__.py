"""From what runs left to PNG and SVG; `python -m utils.figures --help`."""
