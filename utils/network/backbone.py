"""CLIP ViT-B/16 in names and numbers. No PyTorch here, so that options are read without it."""

CLIP_NAME = "ViT-B/16"
RANDOM = "random"  # instead of a name: weights for the demo and tests

WIDTH = 512  # of image and text features
HEADS = 8  # of the text transformer
LAYERS = 12  # of the text transformer
CONTEXT_LENGTH = 77  # tokens
VOCABULARY = 49408  # tokens
