"""TLS records an edge seals by itself, with the keys a gate and a client have agreed on. Pure.

OpenSSL shakes hands, in the gate. Once a connection listens, all that is left to do is to encipher
what everybody hears with the connection's own key: RFC 8446 section 5 (TLS 1.3), and for older
players RFC 5246 section 6.2.3.3 with RFC 5288 (AES-GCM) or RFC 7905 (ChaCha20) (TLS 1.2). AES-GCM
and ChaCha20 themselves are the `cryptography` package's. What a state of OpenSSL needs of memory,
10 kB, and of time, since no cache holds so many of them, a key does not (docs/decisions/0011).
"""

import hmac
import mmap
import struct
from typing import Self

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from stentor.limits import RECORDS_MAX

RECORD_BYTES = 16 * 1024
"""Of one record's content, at most (RFC 8446 section 5.1)."""
HEADER_BYTES, TAG_BYTES = 5, 16
CIPHERS = ((False, 16), (False, 32), (True, 32))
"""By their numbers in a row: whether it is ChaCha20-Poly1305, and the bytes of its key."""
ROW_BYTES = 64
_ROW = struct.Struct("=32s12sIQ")
_ALERT, _APPLICATION = 21, 23
_CLOSE_NOTIFY = b"\x01\x00"
_IV_BYTES = 12
_SALT_BYTES = 4
"""Of the nonce of AES-GCM in TLS 1.2; the other 8 bytes go with each record (RFC 5288)."""


class Keys(msgspec.Struct, frozen=True, array_like=True):
    """What it takes to go on with a connection where OpenSSL has stopped.

    Attributes:
        version: 13 or 12.
        chacha: whether the cipher is ChaCha20-Poly1305; else AES-GCM.
        key: the server's write key.
        iv: the server's write IV, 12 bytes; 4 for AES-GCM in TLS 1.2.
        number: of the next record.
        record_bytes: how much of what is sent one of them may hold for this client.
    """

    version: int
    chacha: bool
    key: bytes
    iv: bytes
    number: int
    record_bytes: int = RECORD_BYTES


def keys_1_3(
    cipher: str, bits: int, secret: bytes, number: int, record_bytes: int = RECORD_BYTES
) -> Keys:
    """Keys of TLS 1.3, from the server's application traffic secret (RFC 8446 section 7.3).

    Args:
        cipher: its name, as OpenSSL says it.
        bits: of its key.

    Raises:
        ConnectionAbortedError: it is no cipher of ours.
    """
    digest, chacha = _digest(cipher), _is_chacha(cipher)
    key = _expand_label(digest, secret, b"key", bits // 8)
    iv = _expand_label(digest, secret, b"iv", _IV_BYTES)
    return Keys(13, chacha, key, iv, number, record_bytes)


def keys_1_2(
    cipher: str,
    bits: int,
    master: bytes,
    randoms: bytes,
    number: int,
    record_bytes: int = RECORD_BYTES,
) -> Keys:
    """Keys of TLS 1.2, from the master secret (RFC 5246 section 6.3).

    Args:
        randoms: the server's, then the client's.

    Raises:
        ConnectionAbortedError: as `keys_1_3`.
    """
    chacha, size = _is_chacha(cipher), bits // 8
    iv_bytes = _IV_BYTES if chacha else _SALT_BYTES
    wanted = 2 * (size + iv_bytes)
    digest, seed = _digest(cipher), b"key expansion" + randoms
    block, link = b"", seed
    while len(block) < wanted:
        link = hmac.digest(master, link, digest)
        block += hmac.digest(master, link + seed, digest)
    iv_at = 2 * size + iv_bytes
    key, iv = block[size : 2 * size], block[iv_at : iv_at + iv_bytes]
    return Keys(12, chacha, key, iv, number, record_bytes)


def _is_chacha(cipher: str) -> bool:
    if "CHACHA20" not in cipher and "GCM" not in cipher:
        raise ConnectionAbortedError(f"{cipher} was not to be agreed on")
    return "CHACHA20" in cipher


def _digest(cipher: str) -> str:
    return "sha384" if cipher.endswith("SHA384") else "sha256"


def _expand_label(digest: str, secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of an empty context, for no more than one block of the digest."""
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes((len(label),)) + label + b"\x00\x01"
    return hmac.digest(secret, info, digest)[:size]


class Seals:
    """The keys of all connections of an edge, a row each, where their descriptors say.

    A row is 64 bytes, a line of the processor's cache: the key (32 bytes), the IV (12), which
    cipher (4) and the number of the next record (8), as `sealing.ll` reads them. Rows that nobody
    has used take no memory.

    Attributes:
        rows: all of them.
    """

    def __init__(self, descriptors_max: int) -> None:
        """Args: descriptors_max: descriptors are less than that."""
        self.rows = mmap.mmap(-1, descriptors_max * ROW_BYTES)

    def take(self, descriptor: int, keys: Keys) -> "Seal":
        """The seal of a connection.

        Raises:
            ConnectionAbortedError: there is no row for it.
        """
        at = descriptor * ROW_BYTES
        if at + ROW_BYTES > len(self.rows):
            raise ConnectionAbortedError("more descriptors are open than there are rows for keys")
        return Seal(self.rows, at, keys)


class Seal:
    """What a connection's records are sealed with, one after the other.

    Attributes:
        together: whether it may be sealed with others, by `sealing.ll`: TLS 1.3 in whole records.
    """

    __slots__ = ("_at", "_chacha", "_inner", "_key_bytes", "_record_bytes", "_rows", "together")

    def __init__(self, rows: "mmap.mmap | bytearray", at: int, keys: Keys) -> None:
        """Args: rows: where its row is, and at which byte."""
        self._rows, self._at = rows, at
        self._chacha, self._key_bytes = keys.chacha, len(keys.key)
        self._inner, self._record_bytes = keys.version == 13, keys.record_bytes
        self.together = self._inner and keys.record_bytes == RECORD_BYTES
        cipher = CIPHERS.index((keys.chacha, len(keys.key)))
        _ROW.pack_into(rows, at, keys.key, keys.iv, cipher, keys.number)

    @classmethod
    def alone(cls, keys: Keys) -> Self:
        """One that shares no rows."""
        return cls(bytearray(ROW_BYTES), 0, keys)

    @property
    def is_spent(self) -> bool:
        """Whether its key may seal no more."""
        number: int = _ROW.unpack_from(self._rows, self._at)[3]
        return number >= RECORDS_MAX

    def forget(self) -> None:
        """The connection has ended: so do its keys."""
        self._rows[self._at : self._at + ROW_BYTES] = bytes(ROW_BYTES)

    def seal(self, data: bytes) -> bytes:
        """Some of what is sent, as records.

        Raises:
            ConnectionAbortedError: the key has sealed as much as it may.
        """
        size = self._record_bytes
        pieces = range(0, len(data), size)
        return b"".join(self._record(_APPLICATION, data[at : at + size]) for at in pieces)

    def end(self) -> bytes:
        """Nothing follows: close_notify (RFC 8446 section 6.1).

        Raises:
            ConnectionAbortedError: as `seal`.
        """
        return self._record(_ALERT, _CLOSE_NOTIFY)

    def _record(self, kind: int, content: bytes) -> bytes:
        key, iv, cipher, number = _ROW.unpack_from(self._rows, self._at)
        if number >= RECORDS_MAX:
            raise ConnectionAbortedError("a key has sealed as many records as it may")
        _ROW.pack_into(self._rows, self._at, key, iv, cipher, number + 1)
        key = key[: self._key_bytes]
        aead = ChaCha20Poly1305(key) if self._chacha else AESGCM(key)
        # The salt of AES-GCM in TLS 1.2 is the beginning of an IV whose rest is 0 (RFC 5288); there
        # OpenSSL began to count its nonces at random: it has used ours once in 2^40 connections.
        nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(_IV_BYTES, "big")
        if self._inner:
            content += bytes((kind,))
            header = header_of(len(content))
            return header + aead.encrypt(nonce, content, header)
        counted, about = number.to_bytes(8, "big"), bytes((kind, 3, 3))
        length = len(content).to_bytes(2, "big")
        sealed = aead.encrypt(nonce, content, counted + about + length)
        if not self._chacha:
            sealed = counted + sealed
        return about + len(sealed).to_bytes(2, "big") + sealed


def header_of(inner_bytes: int) -> bytes:
    """A record's header in TLS 1.3; it is sealed with the rest, unread."""
    return b"\x17\x03\x03" + (inner_bytes + TAG_BYTES).to_bytes(2, "big")


def inner_of(data: bytes) -> list[bytes]:
    """What is enciphered of some bytes, a record each (TLS 1.3)."""
    kind = bytes((_APPLICATION,))
    return [data[at : at + RECORD_BYTES] + kind for at in range(0, len(data), RECORD_BYTES)]
