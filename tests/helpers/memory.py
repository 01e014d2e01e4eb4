import ctypes
import gc

LIBC = ctypes.CDLL(None)


def give_back() -> None:
    """What nobody needs any more, to the system. Python's collector would wait, and then the C
    library; a process that runs many tests would grow to what the largest of them took at once."""
    gc.collect()
    if hasattr(LIBC, "malloc_trim"):  # glibc
        LIBC.malloc_trim(0)
