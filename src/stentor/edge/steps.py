"""Has each step of an edge's cadence stand in the logs of the Spaces it concerns."""

from stentor.edge.cadence import Step
from stentor.ids import SpaceId
from stentor.limits import SPACES_FOLLOWED_MAX
from stentor.teller import Teller, Topic


class StepTeller:
    """Tells the stage of the steps of one edge; of each Space only the newest."""

    def __init__(self, teller: Teller, edge: int) -> None:
        self._teller = teller
        self._edge = edge

    def tell(self, spaces: list[SpaceId], step: Step) -> None:
        """A step was taken. To be called from one thread."""
        told = {"edge": self._edge, "cadence_ms": step.cadence_ms, "reason": step.reason}
        for space in spaces[:SPACES_FOLLOWED_MAX]:
            self._teller.tell(Topic(space, "cadence"), told)
