"""All that one gate needs to let people in, put together: doors, ledger, usher, joins."""

from stentor.clock import Clock
from stentor.config import Settings
from stentor.edge.doors import Doors
from stentor.edge.doorstep import Listeners
from stentor.edge.joining import Joining
from stentor.edge.usher_line import UsherLine
from stentor.edge.witness import Witness
from stentor.paths import Paths
from stentor.shield import Shield
from stentor.tokens import Keyring


class Reception:
    """The gate's part of the waiting room.

    Attributes:
        joining: answers those who want to come in.
        line: to the usher; to be opened and closed.
    """

    def __init__(
        self,
        settings: Settings,
        paths: Paths,
        keyring: Keyring,
        clock: Clock,
        index: int,
        listeners: Listeners,
        shield: Shield,
    ) -> None:
        doors = Doors(keyring, clock, round(settings.lease_s))
        witness = Witness(doors, clock)
        self.line = UsherLine(
            paths.socket("usher"),
            f"gate-{index}",
            doors,
            witness,
            clock,
            lambda: listeners.is_full,
            shield.fresh_counts,
        )
        self.joining = Joining(
            doors,
            witness,
            keyring,
            clock,
            force=self.line.force,
            renew=listeners.renew,
            shield=shield,
            challenges=settings.challenge != "off",
        )
