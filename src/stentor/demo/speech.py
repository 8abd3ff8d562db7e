"""Human speech for the drills: two voices who take turns, with marks by which losses are counted.

Recorded prompts are preferred (Debian's asterisk-core-sounds-en-wav); without them a speech
synthesizer speaks (espeakng-loader). Both are brought to 48 kHz and kept below 4 kHz, where
telephone speech ends, so that marks have a band of their own.
"""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from stentor.demo import marks
from stentor.demo.marks import MARKS, Mark, Pcm
from stentor.errors import Unavailable
from stentor.limits import FRAME_SAMPLES, SAMPLE_RATE

PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
TEXTS = (
    (
        "demo-instruct",
        "demo-congrats",
        "demo-abouttotry",
        "demo-moreinfo",
        "dir-intro",
        "vm-msginstruct",
        "queue-periodic-announce",
        "vm-options",
    ),
    (
        "basic-pbx-ivr-main",
        "conf-adminmenu-162",
        "priv-callee-options",
        "demo-echotest",
        "conf-usermenu",
        "screen-callee-options",
        "vm-opts-full",
        "tt-allbusy",
    ),
)
"""What each voice says, as the names of prompts."""
PITCHES = (1.0, 0.84)
"""The second voice is the first one played slower, so lower."""
TELEPHONE_RATE = 8_000
LEVEL_RMS = 0.09
"""Of the voice while it speaks: about -21 dBFS, as microphones after their gain control give."""
TURN_S = 5
PAUSE_S = 0.4
"""Each turn ends with a breath."""

_WORDS = (
    "Good evening and welcome to this Space. Tonight we speak about the history of the voice that "
    "carried across the plain before there was any wire. A herald had to be heard by a whole army, "
    "and the strongest of them all was as loud as fifty men together. Questions come later.",
    "Thank you for having me. I would like to begin with an observation about crowds. When ten "
    "people listen the speaker adapts to them, and when ten thousand listen they adapt to the "
    "speaker. That changes what can be said, and how slowly it has to be said to be understood.",
)


@dataclass(frozen=True, slots=True)
class Said:
    """What one speaker says during a drill: samples, and the same as Opus packets of 20 ms."""

    pcm: Pcm
    mark: Mark
    packets: list[bytes]

    def from_packet(self, number: int) -> Iterable[bytes]:
        """The packets from one on: a microphone that opens late has missed the beginning."""
        return self.packets[max(0, number) :]


def conversation(seconds: float) -> list[Said]:
    """Two speakers who take turns of five seconds, each with marks all the time.

    Raises:
        Unavailable: `demo.no_voice` when there is no speech on this machine.
    """
    said = []
    for number, mark in enumerate(MARKS):
        pcm = _turns(voice(number, seconds / 2 + TURN_S), number, seconds)
        pcm = marks.stamp(pcm, mark, phase_samples=SAMPLE_RATE // 4 + number * SAMPLE_RATE // 2)
        said.append(Said(pcm, mark, packets_of(pcm)))
    return said


def voice(number: int, seconds: float) -> Pcm:
    """At least `seconds` of speech of voice 0 or 1, without long pauses.

    Raises:
        Unavailable: `demo.no_voice`.
    """
    files = [path for name in TEXTS[number] if (path := PROMPTS / f"{name}.wav").is_file()]
    pitch = PITCHES[number]
    if files:
        pieces = [_resampled(*_read(path), pitch) for path in files]
    else:
        pieces = [_resampled(*_synthesized(_WORDS[number]), pitch)]
    text = np.concatenate([_trimmed(piece) for piece in pieces])
    repeats = int(seconds * SAMPLE_RATE / len(text)) + 1
    return np.tile(text, repeats)


def frames_of(pcm: Pcm) -> list[npt.NDArray[np.int16]]:
    """16-bit frames of 20 ms; an incomplete last one is left out."""
    whole = len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES
    samples = (np.clip(pcm[:whole], -1, 1) * 32_767).astype(np.int16)
    return list(samples.reshape(-1, FRAME_SAMPLES))


def packets_of(pcm: Pcm) -> list[bytes]:
    """Opus packets of 20 ms, encoded beforehand: sending them is cheap."""
    from stentor.demo import speaker

    return speaker.packets_of(frames_of(pcm))


def _turns(pcm: Pcm, number: int, seconds: float) -> Pcm:
    """Speech in every second turn, silence in the others."""
    turn = TURN_S * SAMPLE_RATE
    breath = int(PAUSE_S * SAMPLE_RATE)
    out = np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32)
    taken = 0
    for begin in range(number * turn, len(out), 2 * turn):
        end = min(len(out), begin + turn - breath)
        out[begin:end] = pcm[taken : taken + end - begin]
        taken += turn - breath
    return out


def _read(path: Path) -> tuple[Pcm, int]:
    with av.open(str(path)) as container:
        frames = [_samples(frame) for frame in container.decode(audio=0)]
        rate = int(container.streams.audio[0].rate)
    return np.concatenate(frames) / np.float32(32_768), rate


def _samples(frame: av.AudioFrame) -> Pcm:
    return frame.to_ndarray().reshape(-1).astype(np.float32)


def _resampled(pcm: Pcm, rate: int, pitch: float) -> Pcm:
    """To 48 kHz by way of telephone bandwidth; a `pitch` below 1 makes a lower, slower voice."""
    if rate != TELEPHONE_RATE:
        pcm = _convert(pcm, rate, TELEPHONE_RATE)
    return _convert(pcm, round(TELEPHONE_RATE * pitch), SAMPLE_RATE)


def _convert(pcm: Pcm, rate: int, to: int) -> Pcm:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to)
    frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate = rate
    out = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([_samples(one) for one in out])


def _trimmed(pcm: Pcm) -> Pcm:
    """One prompt at an even level, without silence at its ends, and a short pause after it."""
    step = SAMPLE_RATE // 50
    levels = np.sqrt(np.mean(pcm[: len(pcm) // step * step].reshape(-1, step) ** 2, axis=1))
    loud = np.flatnonzero(levels > 0.1 * levels.max())
    pcm = pcm[loud[0] * step : (loud[-1] + 1) * step]
    pcm = pcm * (LEVEL_RMS / float(np.sqrt(np.mean(levels[loud] ** 2))))
    return np.concatenate([pcm, np.zeros(SAMPLE_RATE // 5, dtype=np.float32)]).astype(np.float32)


def _synthesized(text: str) -> tuple[Pcm, int]:
    """Speech by eSpeak NG through its C interface (speak_lib.h), and its sample rate.

    Raises:
        Unavailable: `demo.no_voice`.
    """
    try:
        import espeakng_loader
    except ImportError as missing:
        raise Unavailable(
            "demo.no_voice",
            "There is no speech to play. As root: apt-get install asterisk-core-sounds-en-wav; or "
            "let `make demo` install its speech synthesizer.",
        ) from missing
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    retrieval, whole_text_ms, utf8 = 1, 200, 1
    folder = str(espeakng_loader.get_data_path()).encode()
    rate = int(library.espeak_Initialize(retrieval, whole_text_ms, folder, 0))
    if rate <= 0:
        raise Unavailable("demo.no_voice", "The speech synthesizer does not start.")
    heard: list[bytes] = []

    def hear(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            heard.append(ctypes.string_at(samples, count * 2))
        return 0

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    callback = kind(hear)  # held until the end: the library keeps only its address
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(b"en-us")
    spoken = text.encode()
    library.espeak_Synth(spoken, ctypes.c_size_t(len(spoken) + 1), 0, 1, 0, utf8, None, None)
    library.espeak_Synchronize()
    library.espeak_Terminate()
    pcm = np.frombuffer(b"".join(heard), dtype=np.int16)
    return (pcm / 32_768).astype(np.float32), rate
