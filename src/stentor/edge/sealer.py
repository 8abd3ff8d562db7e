"""Seals the same bytes for many connections by one call: `sealing.ll`, compiled for this machine.

A loop in Python adds 1.7 us to each record, more than the cipher takes, and a context of OpenSSL
for each connection fits in no cache (docs/decisions/0011).
"""

import array
import ctypes
import logging
import mmap
import os
from importlib import resources
from typing import Self

import llvmlite.binding as llvm

from stentor.edge.records import (
    CIPHERS,
    HEADER_BYTES,
    TAG_BYTES,
    Keys,
    Seal,
    Seals,
    header_of,
    inner_of,
)
from stentor.limits import RECORDS_MAX, SEALED_BYTES, URING_SENDS

_telemetry = logging.getLogger(__name__)
_LIBRARY = "libcrypto.so.3"
"""OpenSSL's; the ssl module has loaded it already."""
_CALLS = (
    "EVP_EncryptInit_ex",
    "EVP_EncryptUpdate",
    "EVP_EncryptFinal_ex",
    "EVP_CIPHER_CTX_ctrl",
)
_NAMES = {
    (False, 16): b"AES-128-GCM",
    (False, 32): b"AES-256-GCM",
    (True, 32): b"ChaCha20-Poly1305",
}
_SEAL = ctypes.CFUNCTYPE(
    ctypes.c_int64,
    ctypes.c_int64,
    *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p),
    ctypes.c_int32,
    *(ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64),
)
_READ_EXECUTE = mmap.PROT_READ | mmap.PROT_EXEC
_PROBE = b"the same bytes for all"


class Sealer:
    """Belongs to the thread that sends.

    Attributes:
        memory: where records are, side by side, until the next call.
        address: of it.
    """

    def __init__(self, seals: Seals) -> None:
        """Compile. Args: seals: the keys of all connections.

        Raises:
            OSError: there is no such OpenSSL here.
            RuntimeError: LLVM cannot compile for this machine.
        """
        self._seals = seals
        _check_executable()
        crypto = ctypes.CDLL(_LIBRARY)
        self._contexts = (ctypes.c_void_p * len(CIPHERS))(
            *(_context(crypto, _NAMES[cipher]) for cipher in CIPHERS)
        )
        self._engine = _compiled(crypto)
        self._seal = _SEAL(self._engine.get_function_address("seal"))
        self._rows = ctypes.addressof(ctypes.c_char.from_buffer(seals.rows))
        held = mmap.mmap(-1, SEALED_BYTES)
        self.memory = memoryview(held)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(held))

    @classmethod
    def open(cls, seals: Seals) -> Self | None:
        """One that has been seen to seal as `Seal` does; None where there is none."""
        try:
            sealer = cls(seals)
        except (OSError, AttributeError, RuntimeError) as error:
            _telemetry.warning("listeners are sealed for one by one: %s", error)
            return None
        if all(sealer._is_right(chacha, size) for chacha, size in CIPHERS):
            return sealer
        _telemetry.error("listeners are sealed for one by one: what was compiled seals wrongly")
        return None

    def _is_right(self, chacha: bool, key_bytes: int) -> bool:
        """Whether two records in a row are as they should be, for a connection there cannot be."""
        keys = Keys(13, chacha, os.urandom(key_bytes), os.urandom(12), 255)
        alone = Seal.alone(keys)
        probe = self._seals.take(0, keys)
        for _ in range(2):
            size, _ = self.seal(array.array("i", [0]), _PROBE)
            if bytes(self.memory[:size]) != alone.seal(_PROBE):
                return False
        probe.forget()
        return True

    def room(self, data: bytes) -> int:
        """For how many connections some bytes can be sealed at once; at least for one."""
        return max(1, min(URING_SENDS, SEALED_BYTES // max(1, _size_of(data))))

    def seal(self, descriptors: "array.array[int]", data: bytes) -> tuple[int, bool]:
        """Put the next records of some connections into memory, in their order.

        Args:
            descriptors: no more than there is room for; all of TLS 1.3.

        Returns:
            How many bytes each has, and whether some key may seal no more.

        Raises:
            RuntimeError: OpenSSL refused; what these connections were to be sent is lost.
        """
        pieces = inner_of(data)
        size, at, highest = _size_of(data), self.address, 0
        where, count = descriptors.buffer_info()
        for inner in pieces:
            number = self._seal(
                *(count, where, self._rows, ctypes.addressof(self._contexts)),
                *(inner, len(inner), header_of(len(inner)), at, size),
            )
            if number < 0:
                raise RuntimeError("OpenSSL does not seal")
            highest = max(highest, number)
            at += HEADER_BYTES + len(inner) + TAG_BYTES
        return size, highest + 1 >= RECORDS_MAX


def _size_of(data: bytes) -> int:
    """How many bytes the records of some bytes have (TLS 1.3)."""
    return sum(HEADER_BYTES + len(inner) + TAG_BYTES for inner in inner_of(data))


def _check_executable() -> None:
    """See whether memory may become code here: LLVM does not ask, and dies.

    Raises:
        OSError: it may not (MemoryDenyWriteExecute of systemd, execmem of SELinux).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        held = ctypes.c_char.from_buffer(page)
        address = ctypes.c_void_p(ctypes.addressof(held))
        refused = libc.mprotect(address, ctypes.c_size_t(mmap.PAGESIZE), _READ_EXECUTE)
        del held
    if refused:
        raise OSError(ctypes.get_errno(), "memory may not become code here")


def _context(crypto: ctypes.CDLL, name: bytes) -> int:
    """A context of OpenSSL for a cipher, which wants a key and an IV.

    Raises:
        OSError: OpenSSL does not have the cipher.
    """
    fetch, create, begin = crypto.EVP_CIPHER_fetch, crypto.EVP_CIPHER_CTX_new, crypto[_CALLS[0]]
    fetch.restype = create.restype = ctypes.c_void_p
    begin.argtypes = [ctypes.c_void_p] * 5
    context, cipher = create(), fetch(None, name, None)
    if not context or not cipher or begin(context, cipher, None, None, None) != 1:
        raise OSError(f"OpenSSL has no {name.decode()}")
    return int(context)


def _compiled(crypto: ctypes.CDLL) -> llvm.ExecutionEngine:
    """`sealing.ll` for this processor, its calls bound to OpenSSL.

    Raises:
        RuntimeError: LLVM does not know how.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for call in _CALLS:
        llvm.add_symbol(call, ctypes.cast(crypto[call], ctypes.c_void_p).value)
    text = resources.files("stentor.edge").joinpath("sealing.ll").read_text("utf-8")
    module = llvm.parse_assembly(text)
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=2)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
