"""How much of a processor this process may use: the quota of its control group (cgroups(7))."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def processor_share(own: Path = OWN, root: Path = ROOT, most: float = 1.0) -> float:
    """Cores this process and its group may use, the least of all groups it is in; at most `most`.

    A single thread cannot use more than one. Without a quota, or where none can be read, it is
    `most`.
    """
    return min([most, *(_quota(folder) for folder in folders("cpu", own, root))])


def folders(controller: str, own: Path = OWN, root: Path = ROOT) -> Iterator[Path]:
    """The folders of the groups a process is in, where the bounds of a controller would stand."""
    try:
        groups = own.read_text().splitlines()
    except OSError:
        return
    for group in groups:
        _, controllers, path = group.split(":", 2)
        yield from _folders(controller, controllers, path, root)


def _folders(controller: str, controllers: str, path: str, root: Path) -> Iterator[Path]:
    """The folders of a group and of those around it."""
    names = controllers.split(",")
    if controller in names:
        tops = [root / controller, root / controllers]
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
