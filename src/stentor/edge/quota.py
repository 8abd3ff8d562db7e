"""How much of a processor this process may use: the quota of its control group (cgroups(7))."""

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def processor_share(own: Path = _OWN, root: Path = _ROOT) -> float:
    """Cores this process and its group may use, the least of all groups it is in; at most 1.

    A single thread cannot use more than one. Without a quota, or where none can be read, it is 1.
    """
    share = 1.0
    try:
        groups = own.read_text().splitlines()
    except OSError:
        return share
    for group in groups:
        _, controllers, path = group.split(":", 2)
        for folder in _folders(controllers, path, root):
            share = min(share, _quota(folder))
    return share


def _folders(controllers: str, path: str, root: Path) -> Iterator[Path]:
    """The folders of a group and of those around it, where its processor quota would stand."""
    names = controllers.split(",")
    if "cpu" in names:
        tops = [root / "cpu", root / controllers]
    elif not controllers:
        tops = [root, root / "unified"]  # version 2, alone or beside version 1
    else:
        return
    for top in tops:
        place = top / path.strip("/")
        yield place
        yield from (above for above in place.parents if above != top and top in above.parents)


def _quota(folder: Path) -> float:
    """The quota that stands in one folder, in cores; infinite without one."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()  # version 2
    except (OSError, ValueError):
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return float("inf")
    if not quota.isdigit() or not period.isdigit() or not int(period):
        return float("inf")  # `max`, or -1
    return int(quota) / int(period)
