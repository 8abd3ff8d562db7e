"""All that one gate needs to let people in, put together: doors, ledger, usher, joins."""

from stentor.clock import Clock
from stentor.config import Settings
from stentor.edge.doors import Doors
from stentor.edge.doorstep import Listeners
from stentor.edge.joining import Joining
from stentor.edge.known_prefixes import KnownPrefixes
from stentor.edge.neighbours import Neighbours
from stentor.edge.players import Players
from stentor.edge.usher_line import UsherLine
from stentor.edge.witness import Witness
from stentor.gate.signing import prefix_secret
from stentor.paths import Paths
from stentor.shield import Shield
from stentor.tokens import Keyring


class Reception:
    """The gate's part of the waiting room.

    Attributes:
        joining: answers those who want to come in.
        players: those who hear by HLS.
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
        challenges = settings.challenge != "off"
        doors = Doors(keyring, clock, round(settings.lease_s), challenges=challenges)
        witness = Witness(doors, clock, KnownPrefixes(paths.known_prefixes))
        self._line = UsherLine(
            paths.socket("usher"),
            f"gate-{index}",
            doors,
            witness,
            clock,
            lambda: listeners.chairs_free,
            shield.fresh_counts,
        )
        self.joining = Joining(
            doors,
            witness,
            keyring,
            clock,
            force=self._line.force,
            renew=listeners.renew,
            shield=shield,
            challenges=challenges,
        )
        self.players = Players(
            self.joining,
            prefix_secret(keyring),
            clock,
            lambda: listeners.capacity,
            settings.ticketless_share,
            self._tell_neighbours,
        )
        others = [number for number in range(settings.edge_count) if number != index]
        self._neighbours = Neighbours(
            paths.socket(f"door-{index}"),
            [paths.socket(f"door-{number}") for number in others],
            self.players.hear,
        )

    def open(self) -> None:
        """Begin to speak to the usher and to the other gates."""
        self._line.open()
        self._neighbours.open()

    def close(self) -> None:
        """Speak to nobody any more."""
        self._line.close()
        self._neighbours.close()

    def _tell_neighbours(self, key: int) -> None:
        self._neighbours.tell(key)
