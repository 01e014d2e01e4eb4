"""Every flag, once: its type, its default, who may change it."""
