"""The loudness of invented audio: full at first, fading to silence, and back without a step."""

import numpy as np
from numpy.typing import NDArray

from stentor.limits import CONCEAL_S, SAMPLE_RATE

Pcm = NDArray[np.float32]

BACK_SAMPLES = SAMPLE_RATE // 200
"""Real audio comes back from silence within 5 ms."""
_RISE = np.linspace(0.0, 1.0, BACK_SAMPLES, endpoint=False, dtype=np.float32)


class Fade:
    """A gain that is 1 while audio is real.

    Attributes:
        gain: at the end of what was shaped last; 0 is silence.
    """

    def __init__(self) -> None:
        self.gain = 0.0
        self._invented = 0

    def real(self, pcm: Pcm) -> Pcm:
        """Shape received audio, in place: raised to full loudness at its beginning if needed."""
        self._invented = 0
        if self.gain < 1.0:
            count = min(len(pcm), BACK_SAMPLES)
            pcm[:count] *= self.gain + (1.0 - self.gain) * _RISE[:count]
            self.gain = 1.0
        return pcm

    def invented(self, pcm: Pcm, lasts_s: float = CONCEAL_S) -> Pcm:
        """Shape concealment, in place; after `lasts_s` without real audio it is silence.

        For the first half of that it is as loud as libopus makes it, so that short losses stay
        unheard.
        """
        begin = self.gain
        self._invented += len(pcm)
        left = 2.0 - 2.0 * self._invented / (lasts_s * SAMPLE_RATE)
        self.gain = min(begin, max(0.0, min(1.0, left)))
        if begin < 1.0 or self.gain < 1.0:
            pcm *= np.linspace(begin, self.gain, len(pcm), endpoint=False, dtype=np.float32)
        return pcm
