"""Where sound is late: how long after the earliest possible moment each part was in the log."""

from pathlib import Path

from stentor.limits import SAMPLE_RATE
from stentor.log import Reader
from stentor.record import Kind, Rendition


def written_late_ms(folder: Path, space: str) -> list[float]:
    """For each Opus part: by how much it was written later than the promptest one, in ms."""
    reader = Reader(folder, space)
    reader.refresh()
    delays = [
        header.wall_time / 1e6 - (header.media_time + header.duration) * 1000 / SAMPLE_RATE
        for header in reader.headers(kind=Kind.PART)
        if header.rendition is Rendition.OPUS
    ]
    reader.close()
    return [delay - min(delays) for delay in delays]
