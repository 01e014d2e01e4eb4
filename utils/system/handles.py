"""File handles for the processes that read features; with too few of them PyTorch fails in the
midst of a run, or waits for ever."""

from utils.system.errors import UserError

OWN, OF_A_WORKER = 32, 8  # handles


def require_handles(workers: int) -> None:
    """Raise this process's limit where it must be and can be.

    Args:
        workers: processes that read features.

    Raises:
        UserError: the system allows too few handles.
    """
    try:
        import resource
    except ImportError:  # not on every platform
        return
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = OWN + OF_A_WORKER * workers
    if not workers or limit == resource.RLIM_INFINITY or limit >= needed:
        return
    if most != resource.RLIM_INFINITY and most < needed:
        raise UserError(
            f"--num-workers {workers} needs some {needed} file handles, and this shell allows "
            f"{most} (ulimit -n): raise the limit, or give --num-workers 0"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))
