"""From pictures, in a file or live, to CLIP features."""
