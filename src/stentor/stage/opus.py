"""Opus packets to samples and back: a thin binding of libopus with its concealment and its FEC.

The library is the one that the package opuslib_next carries; that package's own binding knows
neither concealment nor in-band FEC. Every argument type is declared, every length is checked here,
and libopus itself is made to survive any bytes (RFC 6716 section 4, "the decoder must not crash").
"""

import ctypes
import functools
import importlib.util
import weakref
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stentor.errors import Corrupt, Unavailable
from stentor.limits import FRAME_SAMPLES, OPUS_PACKET_BYTES_MAX, OPUS_PACKET_SAMPLES_MAX

Pcm = NDArray[np.float32]
"""Mono samples at 48 kHz, -1 to 1, shape (n,)."""

_APPLICATIONS = {"voip": 2048, "audio": 2049}
_SET_BITRATE = 4002
_SET_COMPLEXITY = 4010
_SET_INBAND_FEC = 4012
_SET_PACKET_LOSS_PERC = 4014
_SET_DTX = 4016
_GET_LOOKAHEAD = 4027
_LOSSLESS_STEP_SAMPLES = 120  # 2.5 ms: the grid of Opus frame lengths at 48 kHz


@functools.cache
def _library() -> ctypes.CDLL:
    """The shared library, with the types of the functions used here."""
    spec = importlib.util.find_spec("opuslib_next")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        for name in ("libopus.so", "libopus.dylib", "opus.dll"):
            path = Path(folder) / "_native" / name
            if path.is_file():
                return _declare(ctypes.CDLL(str(path)))
    raise Unavailable("opus.library", "libopus was not found; install the package opuslib-next.")


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, integer, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    error = ctypes.POINTER(integer)
    faces: dict[str, tuple[Any, list[Any]]] = {
        "opus_decoder_create": (pointer, [ctypes.c_int32, integer, error]),
        "opus_decoder_destroy": (None, [pointer]),
        "opus_decode_float": (
            integer,
            [pointer, text, ctypes.c_int32, pointer, integer, integer],
        ),
        "opus_packet_get_nb_samples": (integer, [text, ctypes.c_int32, ctypes.c_int32]),
        "opus_packet_has_lbrr": (integer, [text, ctypes.c_int32]),
        "opus_encoder_create": (pointer, [ctypes.c_int32, integer, integer, error]),
        "opus_encoder_destroy": (None, [pointer]),
        "opus_encode_float": (
            ctypes.c_int32,
            [pointer, pointer, integer, pointer, ctypes.c_int32],
        ),
    }
    for name, (result, arguments) in faces.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    # Variadic: the first two are fixed, the rest is given as ctypes objects.
    library.opus_encoder_ctl.restype = integer
    return library


def packet_samples(packet: bytes) -> int:
    """How many samples at 48 kHz a packet holds, from its first bytes (RFC 6716 section 3).

    Raises:
        Corrupt: `opus.packet` when it is empty, too long, or its frame count makes no sense.
    """
    samples = -1
    if 0 < len(packet) <= OPUS_PACKET_BYTES_MAX:
        samples = _library().opus_packet_get_nb_samples(packet, len(packet), 48_000)
    if not 0 < samples <= OPUS_PACKET_SAMPLES_MAX:
        raise Corrupt("opus.packet", "This is not an Opus packet.")
    return int(samples)


def packet_has_fec(packet: bytes) -> bool:
    """Whether a packet carries the one before it once more, at a low rate (in-band FEC)."""
    packet_samples(packet)
    return bool(_library().opus_packet_has_lbrr(packet, len(packet)) == 1)


class Decoder:
    """One stream of packets to mono samples. Stereo packets are mixed down by libopus."""

    def __init__(self, sample_rate: int = 48_000, channels: int = 1) -> None:
        if channels != 1:
            raise ValueError("the house is mono: channels must be 1")
        self._library = _library()
        error = ctypes.c_int()
        self._state = self._library.opus_decoder_create(sample_rate, channels, ctypes.byref(error))
        if not self._state or error.value:
            raise Unavailable("opus.decoder", "libopus could not make a decoder.")
        weakref.finalize(self, self._library.opus_decoder_destroy, self._state)
        self._pcm = np.zeros(OPUS_PACKET_SAMPLES_MAX, np.float32)
        self._address = self._pcm.ctypes.data

    def decode(self, packet: bytes | None, samples: int = FRAME_SAMPLES, fec: bool = False) -> Pcm:
        """The samples of a packet, or samples that stand in for one that was lost.

        Args:
            packet: one Opus packet; None conceals (RFC 6716 section 4.4).
            samples: with None or `fec`, how many to make: a multiple of 120, at most 5,760.
                A whole packet gives what it holds, whatever is asked here.
            fec: `packet` is the one after the lost one; its copy of the lost one is decoded, and
                where it has none this conceals.

        Raises:
            Corrupt: `opus.packet` when libopus refuses the bytes.
        """
        if packet is not None:
            held = packet_samples(packet)
            samples = samples if fec else held
        if not 0 < samples <= OPUS_PACKET_SAMPLES_MAX or samples % _LOSSLESS_STEP_SAMPLES:
            raise ValueError(f"{samples} samples are not a whole number of 2.5 ms steps")
        size = 0 if packet is None else len(packet)
        made = self._library.opus_decode_float(
            self._state, packet, size, self._address, samples, int(fec)
        )
        if made <= 0:
            raise Corrupt("opus.packet", "libopus refuses this packet.")
        pcm = self._pcm[:made].copy()
        return np.clip(pcm, -1.0, 1.0, out=pcm)


class Encoder:
    """Frames of mono samples to packets, one packet a frame.

    Args:
        bitrate: bits a second on average (variable bit rate).
        frame_samples: 120, 240, 480, 960, 1920 or 2880 samples at 48 kHz.
        complexity: 0 (cheapest) to 10.
        fec: repeat each packet in the next one when `packet_loss_percent` makes it worth while.
    """

    def __init__(
        self,
        bitrate: int,
        frame_samples: int = FRAME_SAMPLES,
        complexity: int = 5,
        fec: bool = False,
        packet_loss_percent: int = 0,
        application: Literal["voip", "audio"] = "voip",
        dtx: bool = False,
    ) -> None:
        self._library = _library()
        self._frame_samples = frame_samples
        error = ctypes.c_int()
        self._state = self._library.opus_encoder_create(
            48_000, 1, _APPLICATIONS[application], ctypes.byref(error)
        )
        if not self._state or error.value:
            raise Unavailable("opus.encoder", "libopus could not make an encoder.")
        weakref.finalize(self, self._library.opus_encoder_destroy, self._state)
        self._set(_SET_BITRATE, bitrate)
        self._set(_SET_COMPLEXITY, complexity)
        self._set(_SET_INBAND_FEC, int(fec))
        self._set(_SET_PACKET_LOSS_PERC, packet_loss_percent)
        self._set(_SET_DTX, int(dtx))
        self._packet = (ctypes.c_ubyte * OPUS_PACKET_BYTES_MAX)()
        self._address = ctypes.addressof(self._packet)

    def _set(self, request: int, value: int) -> None:
        state = ctypes.c_void_p(self._state)
        if self._library.opus_encoder_ctl(state, ctypes.c_int(request), ctypes.c_int32(value)):
            raise ValueError(f"libopus refuses {value} for its setting {request}")

    @property
    def lookahead_samples(self) -> int:
        """By how much decoded audio is behind what was encoded (pre-skip, RFC 7845 section 4.2)."""
        found = ctypes.c_int32()
        self._library.opus_encoder_ctl(
            ctypes.c_void_p(self._state), ctypes.c_int(_GET_LOOKAHEAD), ctypes.byref(found)
        )
        return found.value

    def encode(self, pcm: Pcm) -> bytes:
        """One packet from exactly one frame.

        Raises:
            ValueError: the frame has another length than this encoder was made for.
        """
        if pcm.shape != (self._frame_samples,):
            raise ValueError(f"a frame has {self._frame_samples} samples, not {pcm.shape}")
        frame = np.ascontiguousarray(pcm, np.float32)
        size = self._library.opus_encode_float(
            self._state,
            frame.ctypes.data,
            self._frame_samples,
            self._address,
            OPUS_PACKET_BYTES_MAX,
        )
        if size <= 0:
            raise Unavailable("opus.encoder", f"libopus failed to encode a frame ({size}).")
        return ctypes.string_at(self._address, size)
