"""The floor of one Space: what people ask for becomes events, and events become what is done.

    command, audio, time -> rules -> events -> state, log, card, studios, programme

Everything runs in the event loop; nothing here waits for disk or network before it answers.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec

from stentor import ids, tokens
from stentor.errors import Refused
from stentor.gate import signing
from stentor.limits import (
    COMMANDS_BURST,
    COMMANDS_PER_S,
    HOST_TOKEN_S,
    INVITE_TOKEN_S,
    SEATS_MAX,
    SPEAKER_TOKEN_S,
    STREAM_LEVELS_HZ,
)
from stentor.space import card, events, rules
from stentor.space.commands import Command, CreateInvite
from stentor.space.events import (
    DoorSeedRevealed,
    Event,
    SpaceEnded,
    SpaceStarted,
    SpeakerConnected,
    SpeakerDropped,
    SpeakerJoined,
    SpeakerLeft,
    SpeakerRemoved,
    SpeakingChanged,
    StageGap,
)
from stentor.space.state import BEFORE, OVER, Seat, State, card_of, fold, sealed
from stentor.stage.alone import Alone
from stentor.stage.beat import FRAME_S
from stentor.stage.bucket import Bucket
from stentor.stage.house import House
from stentor.stage.presence import Signs, changes
from stentor.stage.programme import Programme
from stentor.stage.recorder import Recorder
from stentor.stage.sessions import Sessions
from stentor.stage.speaking import Speaking
from stentor.stage.stream import Stream, levels_line
from stentor.stage.voice import VoiceStats
from stentor.tokens import Claims

_FRAMES_PER_TICK = round(1 / STREAM_LEVELS_HZ / FRAME_S)
_FRAMES_PER_LOOK = 5
"""Levels are looked at ten times a second."""


class Floor:
    """One Space that has not been sealed.

    Args:
        recorder: makes the recorder, given what to call when the disk refuses.
        over: called once the log is sealed and let go.
    """

    def __init__(
        self,
        state: State,
        house: House,
        recorder: Callable[[Callable[[str], None]], Recorder],
        over: Callable[["Floor"], None],
    ) -> None:
        self.state = state
        self.recorder = recorder(self._trouble)
        self.programme = Programme(house.clock, self.recorder)
        self.sessions = Sessions(self.programme, house.ports, house.clock, house.room)
        self.stream = Stream()
        self._house = house
        self._over = over
        self._speaking = Speaking()
        self._away_since = dict.fromkeys(state.seats, house.clock.now())
        self._alone = Alone(house.settings.abandoned_after_s)
        self._disk_notice = ""
        self._hole: tuple[int, str] | None = None
        self._frames = 0
        self._paces: dict[str, Bucket] = {}
        self._voices: dict[str, VoiceStats] = {}

    @property
    def space(self) -> str:
        """The Space's identifier."""
        return self.state.space

    @property
    def moment(self) -> rules.Moment:
        """Now, as the rules want it."""
        return rules.Moment(self._house.wall_time_ms, self.programme.media_time)

    @property
    def notice(self) -> str:
        """What everybody should know."""
        return " ".join(filter(None, (self._disk_notice, self._alone.notice)))

    # What people ask for --------------------------------------------------------------------------

    def command(self, claims: Claims, command: Command) -> dict[str, Any]:
        """Do what somebody with a seat asks for.

        Returns:
            The answer's body: the events that followed, and an invitation if one was made.

        Raises:
            Refused: by the rules.
        """
        actor = rules.actor_of(self.state, claims.seat, claims.role)
        self._check_pace(actor.speaker)
        decided = rules.decide(self.state, actor, command, self.moment)
        answer: dict[str, Any] = {"events": decided}
        if isinstance(command, CreateInvite):
            answer["invite"] = self._invite(command)
        self.record(*decided)
        return answer

    def join(self, claims: Claims, name: str, *, consent: bool) -> dict[str, Any]:
        """Take the seat that an invitation or a seat token names.

        Raises:
            Refused: by the rules.
        """
        name = name or claims.name
        self._check_pace(claims.seat)
        self.record(*rules.join(self.state, claims.seat, claims.role, name, consent=consent))
        seat = self.state.seats[claims.seat]
        token = self._token("seat", seat.role, seat.speaker, seat.name, SPEAKER_TOKEN_S)
        return {"token": token, "speaker": seat.speaker, "role": seat.role}

    async def publish(self, claims: Claims, offer: str, replaces: str) -> tuple[str, str]:
        """Begin a WHIP session.

        Returns:
            The session and the SDP answer.

        Raises:
            Refused: by the rules, `speaker.already`, or what is wrong with the offer.
            Unavailable: no port, or no room.
        """
        seat = self._seat(claims)
        self._check_pace(seat.speaker)
        again = rules.rejoin(self.state, seat)
        publisher = await self.sessions.open(seat.speaker, offer, replaces)
        try:
            self._seat(claims)
        except Refused:  # removed, or over, while the session was being opened
            await self.sessions.close(seat.speaker)
            raise
        self.record(*again)
        return publisher.session, publisher.answer

    async def unpublish(self, claims: Claims, session: str) -> None:
        """End a WHIP session, by the speaker's own wish: the seat is free again.

        Raises:
            Refused: `session.unknown` when it is none of this seat's.
        """
        seat = self._seat(claims)
        if self.sessions.owner(session) != seat.speaker:
            raise Refused("session.unknown", "This session has ended already.")
        await self.sessions.close(seat.speaker)
        if seat.present:
            self.record(SpeakerLeft(seat.speaker, "left"))

    def follow(self, claims: Claims) -> AsyncIterator[bytes]:
        """The studio's stream for this seat.

        Raises:
            Refused: the seat may not, or `stage.full`.
        """
        actor = rules.actor_of(self.state, claims.seat, claims.role)

        def state() -> bytes:
            you = {"speaker": actor.speaker, "role": actor.role}
            return msgspec.json.encode({"type": "state", "card": self._card(), "you": you})

        def removed() -> bool:
            seat = self.state.seats.get(actor.speaker)
            return seat is not None and seat.removed

        return self.stream.follow(actor.speaker, state, removed)

    # What happens ---------------------------------------------------------------------------------

    def record(self, *happened: Event) -> None:
        """Let events happen: state, log, studios, card, and what follows from them."""
        for event in happened:
            if isinstance(event, SpaceEnded):
                self._tell_hole()
                self.programme.finish()
            self.recorder.event(event, self.programme.media_time)
            self.state = fold(self.state, event)
            self.stream.say(events.encode(event))
            self._act(event)
        if any(not isinstance(event, SpeakingChanged) for event in happened):
            self.show()

    def show(self) -> None:
        """Have card and studios tell the state."""
        muted = (seat.speaker for seat in self.state.seats.values() if seat.muted)
        self.programme.muted = frozenset(muted)
        self._house.cards.put(self._house.paths.card(self.space), self.card_json())
        self.stream.state_changed()

    def card_json(self) -> bytes:
        """The card as it is now."""
        return card.encode(self._card())

    def frame(self, now: float) -> None:
        """One beat: the start when it is due, sound, then who is here and who speaks."""
        if self.state.starts_itself and self.state.phase in BEFORE:
            late_ms = round((self._house.clock.now() - now) * 1000)
            self.record(*rules.start_due(self.state, self._house.wall_time_ms - late_ms))
        self.programme.frame(now)
        if self._frames % _FRAMES_PER_LOOK == 0:
            microphones = self.programme.microphones.items()
            self._voices = {speaker: each.voice.stats for speaker, each in microphones}
            if self.programme.live:
                self._watch_speaking(now)
        if self.state.seats and self.state.phase not in OVER:
            self._watch_seats(now)
        self._frames += 1
        if self._frames % _FRAMES_PER_TICK == 0:
            self._tick(now)

    def stalled(self, frames: int) -> None:
        """The stage was away for so many frames; fill them with silence if the Space is live."""
        if self.programme.live:
            since = self.programme.media_time
            self.programme.skip(frames)
            self._house.spawn(self.fill(since, "stall"))

    def fill(self, since: int, reason: str) -> Coroutine[Any, Any, None]:
        """Note the hole from `since` on, or a longer one; what is returned fills it and says so."""
        self._hole = self._hole or (since, reason)
        return self._fill()

    async def suspend(self) -> None:
        """Stop without ending the Space: write all there is, so that another process can go on."""
        self.programme.finish()
        self.stream.close()
        await self.sessions.close_all()
        await self.recorder.close()

    async def seal(self) -> None:
        """After the end: seal the log, offer the replay, and let go."""
        self.recorder.live = False
        await self.sessions.close_all()
        await self.recorder.seal(self.state.ended_at_media_time)
        await self.recorder.close()
        over = card.encode(card_of(sealed(self.state)))
        self._house.cards.put(self._house.paths.card(self.space), over)
        await self._house.cards.settle()
        # From here on in one go: what may be done to a recording is the archive's to do.
        self.state = sealed(self.state)
        self._disk_notice = self._alone.notice = ""
        self.show()
        self.stream.close()
        self._over(self)

    async def _fill(self) -> None:
        await self.programme.fill()
        self._tell_hole()

    def _tell_hole(self) -> None:
        """Say that the hole ends here: it is filled, or the Space ends before it could be."""
        if self._hole is not None and self.programme.live:
            (since, reason), self._hole = self._hole, None
            self.record(StageGap(since, self.programme.media_time, reason))

    # Inside ---------------------------------------------------------------------------------------

    def _act(self, event: Event) -> None:
        now = self._house.clock.now()
        match event:
            case SpaceStarted():
                for rendition, init in self.programme.start().items():
                    self.recorder.init(rendition, init)
                self.recorder.live = True
            case SpaceEnded():
                self._reveal_seed()
                self._house.spawn(self.seal())
            case SpeakerJoined() | SpeakerDropped():
                self._away_since[event.speaker] = now
            case SpeakerConnected():
                self._away_since.pop(event.speaker, None)
            case SpeakerLeft() | SpeakerRemoved():
                self._away_since.pop(event.speaker, None)
                self._house.spawn(self.sessions.close(event.speaker))
            case _:
                pass

    def _reveal_seed(self) -> None:
        """Nobody draws a turn any more: from now on anybody can check how they were drawn."""
        seed = signing.seed_of(self._house.keyring, self.space)
        if self.state.seed_hash == signing.seed_hash_of(seed):
            self.record(DoorSeedRevealed(seed.hex()))

    def _watch_seats(self, now: float) -> None:
        for seat in self.state.present:
            heard_at = self.sessions.heard_at(seat.speaker)
            microphone = self.programme.microphones.get(seat.speaker)
            voice = self._voices.get(seat.speaker)
            follows = self.stream.is_followed_by(seat.speaker)
            if follows and seat.away_since is None:  # who only listens is away once that ends
                self._away_since[seat.speaker] = now
            signs = Signs(
                media_time=self.programme.media_time,
                publishes=microphone is not None,
                quiet_s=None if heard_at is None else now - heard_at,
                away_s=now - self._away_since.get(seat.speaker, now),
                delay_samples=0 if voice is None else voice.delay_samples,
                follows=follows,
            )
            self.record(*changes(seat, signs))

    def _watch_speaking(self, now: float) -> None:
        muted = self.programme.muted
        levels = {who: each.level_dbfs for who, each in self._voices.items() if who not in muted}
        heard = self._speaking.hear(levels, now)
        if heard is not None:
            self.record(SpeakingChanged(list(heard)))

    def _tick(self, now: float) -> None:
        self._watch_abandonment(now)
        doors_before_s = self._house.settings.doors_before_s
        self.record(*rules.due(self.state, self._house.wall_time_ms, doors_before_s))
        if self._voices and self.stream.followers:
            line = levels_line(
                self.programme.media_time,
                {who: round(voice.level_dbfs, 1) for who, voice in self._voices.items()},
                {who: round(voice.delay_ms, 1) for who, voice in self._voices.items()},
                {who: self.sessions.loss(who) for who in self._voices},
            )
            self.stream.say(line)

    def _watch_abandonment(self, now: float) -> None:
        """End a live Space whose stage stays empty, and say beforehand when that will be."""
        told = self._alone.notice
        if self._alone.look(self.state, now, self._house.wall_time_ms):
            at = self.moment
            self.record(SpaceEnded(at.at_ms, "abandoned", at.media_time))
        elif self._alone.notice != told and self.state.phase not in OVER:
            self.show()

    def _trouble(self, sentence: str) -> None:
        notice = f"The recording has a hole at present: {sentence}" if sentence else ""
        if notice != self._disk_notice and self.state.phase not in OVER:
            self._disk_notice = notice
            self.show()

    def _card(self) -> card.Card:
        return card_of(self.state, self.notice, self.programme.media_time)

    def _seat(self, claims: Claims) -> Seat:
        """The seat of a token that may publish now."""
        if self.state.phase in OVER:
            raise Refused("space.ended", "This Space has ended; its address offers the recording.")
        actor = rules.actor_of(self.state, claims.seat, claims.role)
        seat = self.state.seats.get(actor.speaker)
        if seat is None:
            raise Refused("speaker.unknown", "Take your seat first: join, with your consent.")
        return seat

    def _check_pace(self, speaker: str) -> None:
        """Every command may be a record: nobody fills the log by pressing a button."""
        if speaker not in self._paces and len(self._paces) >= SEATS_MAX:
            self._paces.clear()
        pace = self._paces.setdefault(speaker, Bucket(COMMANDS_PER_S, COMMANDS_BURST))
        if not pace.take(self._house.clock.now()):
            raise Refused("request.too_many", "Too many commands at once; wait a few seconds.")

    def _invite(self, command: CreateInvite) -> str:
        speaker = ids.encode(secrets.token_bytes(8), ids.SPEAKER_ID_CHARS)
        role: tokens.Role = "cohost" if command.role == "cohost" else "speaker"
        return self._token("invite", role, speaker, command.name.strip(), INVITE_TOKEN_S)

    def _token(
        self, kind: tokens.TokenKind, role: tokens.Role, seat: str, name: str, valid_s: int
    ) -> str:
        valid_s = HOST_TOKEN_S if role == "host" else valid_s
        expires_at_s = self._house.wall_time_ms // 1000 + valid_s
        claims = Claims(kind, self.space, role, seat, name, expires_at_s)
        return tokens.issue(claims, self._house.keyring)
