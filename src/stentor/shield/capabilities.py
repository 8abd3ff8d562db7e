"""Giving up everything a process may do but one capability (capabilities(7)), for good."""

import ctypes
import os
from pathlib import Path

CAP_NET_ADMIN = 12
NOBODY = 65_534
_SET_PDEATHSIG, _SET_KEEPCAPS, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT = 1, 8, 24, 38, 47
_AMBIENT_RAISE = 2
_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Word(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def has(capability: int) -> bool:
    """Whether this process may use a capability now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) >> capability & 1)
    return False


def keep_only(capability: int) -> None:
    """Give up everything else: root, every other capability, and ever gaining one again.

    Programs this process starts have the same one and no more.

    Raises:
        OSError: the capability is not there to be kept.
    """
    if os.geteuid() == 0:
        _prctl(_SET_KEEPCAPS, 1)
        for other in range(64):
            if other != capability:
                _prctl(_CAPBSET_DROP, other, may_fail=True)  # the kernel knows fewer than 64
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    bit = 1 << capability
    words = (_Word * 2)(_Word(bit, bit, bit), _Word(0, 0, 0))
    header = _Header(_VERSION_3, 0)
    if _libc.capset(ctypes.byref(header), ctypes.byref(words)):
        raise _error("capset")
    _prctl(_CAP_AMBIENT, _AMBIENT_RAISE, capability)
    _prctl(_SET_NO_NEW_PRIVS, 1)


def end_with_parent(signal_number: int) -> None:
    """Have this signal come when the process that started this one ends."""
    _prctl(_SET_PDEATHSIG, signal_number)


def _prctl(option: int, argument: int, third: int = 0, *, may_fail: bool = False) -> None:
    zero = ctypes.c_ulong(0)
    values = (ctypes.c_ulong(argument), ctypes.c_ulong(third), zero, zero)
    if _libc.prctl(option, *values) and not may_fail:
        raise _error("prctl")


def _error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
