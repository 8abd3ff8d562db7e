"""Every bound of Stentor, by name, with the reason it has that value.

Durations carry their unit in the name. The relations between bounds are asserted at the end.
"""

# Audio -------------------------------------------------------------------------------------------
SAMPLE_RATE = 48_000
"""Samples a second, everywhere: Opus, AAC, media_time (RFC 7587 fixes 48 kHz for Opus in RTP)."""
FRAME_SAMPLES = 960
"""One frame: 20 ms of mono PCM."""
PART_FRAMES = 10
"""Frames in a part of the 20 ms renditions: 200 ms."""
PART_SAMPLES = FRAME_SAMPLES * PART_FRAMES
PART_MS = PART_SAMPLES * 1_000 // SAMPLE_RATE
SPEAKERS_MAX = 13
"""Host, co-hosts and speakers heard at once: what X offers and what one core mixes with ease."""

OPUS_PACKET_BYTES_MAX = 1_500
"""One Opus packet from a speaker: what fits in a datagram of common networks."""
OPUS_PACKET_SAMPLES_MAX = 5_760
"""Longest Opus packet: 120 ms (RFC 6716 section 3.2.5)."""
JITTER_PACKETS_MAX = 256
"""Packets waiting to be played for one speaker; five seconds in 20 ms packets."""
JITTER_DELAY_MIN_S = 0.030
"""Least time a packet waits: one beat and a little for the beat's own lateness."""
JITTER_DELAY_START_S = 0.050
"""Time the first packet waits, before anything is known of its network."""
JITTER_DELAY_MAX_S = 0.400
"""Most that is waited for a bad network; beyond it conversation dies, and packets are given up."""
CONCEAL_S = 0.120
"""Lost audio is invented for so long, fading; what is longer is silence and counts as missing."""
DRIFT_PPM_MAX = 500.0
"""Sound cards are within 300 parts per million; more is a fault of measuring."""

# Log ---------------------------------------------------------------------------------------------
PAYLOAD_BYTES_MAX = 256 * 1024
"""One record's payload. A part is about 1 kB; an event must stay readable."""
SEGMENT_BYTES_MAX = 64 * 1024 * 1024
"""One segment file; about three hours of all renditions together."""
SYNC_INTERVAL_S = 0.5
"""How far behind the tail "durable up to" may be when the disk keeps up."""
CHECKPOINT_INTERVAL_S = 10.0
"""Time between two checkpoint records while a Space is live."""
READ_RECORDS_MAX = 512
"""Records returned by one read, so that a reader far behind cannot take all memory."""
READ_BYTES_MAX = 4 * 1024 * 1024
"""Bytes returned by one read, unless its first record alone is more."""
SCAN_BYTES = 1024 * 1024
"""Bytes taken from a segment at a time while its records are walked."""
READER_SEGMENTS_MAX = 4
"""Segment files one reader holds open."""

# Stage -------------------------------------------------------------------------------------------
SDP_BYTES_MAX = 16 * 1024
SDP_LINES_MAX = 400
COMMAND_BYTES_MAX = 16 * 1024
DOOR_FIGURES_MAX = 16
"""Figures that go with one step of the ladder."""
COMMANDS_PER_S = 5.0
"""Commands of one seat in the long run: each may be a record, and everybody is told of it."""
COMMANDS_BURST = 30.0
CREATE_S = 5.0
"""A Space that is not on the medium by then is not announced."""
WHIP_SESSIONS_MAX = 64
"""WHIP sessions a stage holds, connected or not, over all its Spaces."""
PUBLISH_TIMEOUT_S = 10.0
"""From the WHIP answer to finished DTLS; a session that is not connected by then is closed."""
SPEAKER_SILENT_S = 0.5
"""Without a packet for so long a speaker is announced as dropped."""
SPEAKER_TAKEOVER_S = 2.0
"""A second publisher with the same token is refused while the first was heard within this time."""
SPEAKER_LOST_S = 30.0
"""Without a packet for so long a speaker has left."""
ABANDONED_S = 600.0
"""A live Space in which nobody is connected to the stage for so long is ended."""
DOORS_BEFORE_S = 900.0
"""Doors open by themselves so long before the scheduled start."""
SDP_SECTIONS_MAX = 8
"""Media sections of an offer: one of audio is used, the others are answered with port 0."""
ANNOUNCED_ADDRESSES_MAX = 8
"""Addresses a speaker is told to try: each one more is tried by every browser."""
DATAGRAM_BYTES_MAX = 1_500
"""Longest datagram read from a speaker: an Ethernet frame; longer ones are dropped."""
DATAGRAMS_PER_TURN = 32
"""Datagrams read from one socket per turn of the loop, so that a flood cannot starve the beat."""
STUN_BYTES_MAX = 1_024
"""A browser's check has about 120 bytes."""
STUN_ATTRIBUTES_MAX = 32
STUN_ANSWERS_PER_S = 50.0
"""Authentic checks answered for one speaker; browsers send 20 a second while they connect."""
ICE_ADDRESSES_MAX = 16
"""Addresses of one speaker that have passed an authentic check and are remembered."""
PEER_SETTLED_S = 3.0
"""So long one of several checked addresses must be the selected one before the socket is locked."""
PEER_SILENT_S = 1.5
"""A locked peer silent for so long may have changed its address: the socket is unlocked again."""
DTLS_DATAGRAMS_MAX = 400
"""DTLS datagrams taken from one speaker, ever: a handshake has about 10, its repetitions fewer."""
DTLS_DATAGRAM_BYTES = 1_200
"""Longest DTLS datagram sent: passes every path browsers use."""
SRTP_WINDOW_PACKETS = 1_024
"""Replay window: 20 s of packets (RFC 3711 section 3.3.2 asks for at least 64)."""
SPEAKER_PACKETS_PER_S = 200.0
"""A speaker's packets passed on: four times what 20 ms packets need."""
SPEAKER_BITRATE = 40_000
"""Bits a second a speaker is asked to send: Opus speech at full band with room for FEC."""
RTCP_INTERVAL_S = 2.5
"""Time between two reports to a speaker (RFC 3550 section 6.2 asks for at most one in 5 s each)."""
STUDIO_FOLLOWERS_MAX = 64
"""Studios that follow one Space's stage at once."""
STREAMS_PER_SEAT_MAX = 3
"""Streams of one seat: tabs, and dead connections nobody has noticed; the oldest gives way."""
SPACES_OPEN_MAX = 256
"""Spaces that are scheduled or live at once on one stage."""
SEATS_MAX = 1_000
"""Seats one Space gives in all its life; those that were left or removed are remembered."""
SCHEDULE_PAST_S = 3600.0
"""A start may be announced so late: clocks differ, and people are slow."""
SCHEDULE_AHEAD_S = 2 * 366 * 86_400.0
START_EXACT_MS = 20
"""A start that the stage sees within one frame of its second was in that second."""
START_LATE_S = 3600.0
"""A stage that was away at a Space's second starts it by itself up to so long afterwards."""
UNSTARTED_S = 7 * 86_400.0
"""A Space that nobody has started so long after its time is ended."""
SPACES_KEPT_MAX = 100_000
"""Folders of Spaces a stage looks at when it starts."""
STREAM_LINES_MAX = 256
"""Lines of a studio's stream that are kept; a studio further behind is dropped. About 40 s."""
STREAM_LEVELS_HZ = 5
SPEAKING_HANG_S = 0.6
"""Somebody is still speaking for so long after their last loud frame: pauses between words."""
SPEAKING_INTERVAL_S = 0.25
"""Least time between two changes of who is speaking: listeners' pages are not to flicker."""
SPEAKING_GATE_DBFS = -45.0
"""Louder than this is speech; a quiet room with a good microphone is near -60."""
RECORDER_PARTS_MAX = 300
"""Parts that wait for a slow disk: 20 s of three renditions. Then the oldest are given up."""
RECORDER_EVENTS_MAX = 1_000
"""Events that wait for a slow disk."""
RECORDER_RETRY_S = 1.0
"""Between two tries of a disk that refused."""
TAKE_UP_CARDS = 64
"""A starting stage reads so many cards before it takes up what they say is not over."""
TAKE_UP_S = 5.0
"""A request for a Space waits so long for a starting stage to take it up."""
STALL_S = 1.0
"""A beat that is later than this is not made up for; its frames are written as a gap."""
STAGE_REQUESTS_MAX = 512
"""Requests a stage has under way, studios' streams included."""
REQUEST_BODY_S = 10.0
"""A request's body must be complete within this time."""
TITLE_CHARS_MAX = 120
DESCRIPTION_CHARS_MAX = 2_000
NAME_CHARS_MAX = 60

# Edge --------------------------------------------------------------------------------------------
FULL_RETRY_S = 5.0
"""Whoever finds every place taken is asked to come back after this."""
HANDED_AT_ONCE = 240
"""Connections one message of a gate hands to an edge; the kernel takes 253 at most. The more, the
less of each other's caches gate and edge displace: of 64 each costs a fifth more."""
HATCH_MESSAGE_BYTES = 64 * 1024
"""One message between gate and edge: 240 admissions have about 16 kB, 30 with their keys."""
EDGE_SILENT_S = 2.0
"""An edge says how it stands twice a second; a silent one is given nobody."""
GATES_MAX = 64
"""Gates one edge takes connections from."""
JOINS_HELD_MAX = 4_096
"""Admitted connections a gate keeps while its edges are away or slow to take them."""
JOINS_HELD_S = 3.0
"""How long: an edge that died is back within two seconds."""
EDGE_LOOK_S = 0.1
"""How often a gate looks for an edge that is away."""
GATE_PATIENCE_S = 0.8
"""A gate that has started waits so long for its edge's first word before it takes anybody."""
ARRIVALS_CALM = 8
"""Handshakes under way at a gate beyond which a crowd is coming: clients get no sessions of TLS 1.3
to come back with then. With 50 ms to and fro these are 160 a second."""
ARRIVALS_MAX = 8_192
"""Connections whose handshake or first request is not whole yet; the oldest makes room."""
CALLERS_PER_WAKE = 256
"""Plain connections whose next request is looked at in a row; then others have their turn."""
ARRIVALS_PER_WAKE = 32
"""Handshakes that are taken a step further in a row: about 10 ms."""
QUICK_BODY_BYTES_MAX = 4 * 1024
"""A body that has come with its head and is no longer can be answered without a task."""
REFUSALS_KEPT = 256
"""Refusals that are at hand as bytes, one for each reason there is."""
DEFER_ACCEPT_S = 5
"""The kernel keeps a connection on which nothing has arrived to itself for so long."""
LINES_KEPT = 2_048
"""Lines of heads that need not be read again: a crowd's browsers say the same; 1 MB."""
LINE_KEPT_BYTES_MAX = 256
HEADS_KEPT = 1_024
"""Heads that need not be read again, but for their cookies; 4 MB."""
HEAD_KEPT_BYTES_MAX = 1_024
HEADER_DEADLINE_S = 10.0
"""A request's head must be complete within this time from accept (slowloris)."""
HEADER_BYTES_MAX = 16 * 1024
HEADER_COUNT_MAX = 64
BODY_BYTES_MAX = 256 * 1024
"""A request body passed on to web or stage."""
CHUNKS_MAX = 512
"""Chunks one body may come in: 512 bytes each of a large one; each costs Python 3 µs."""
KEEP_ALIVE_S = 15.0
JOIN_PARTS = 2
"""Parts a new listener is given at once: the buffer to start from, max(2 cadences, 400 ms)."""
RING_PARTS = 600
"""Parts kept in an edge's memory per rendition: two minutes at 200 ms, for resuming listeners."""
LISTENER_STUCK_S = 10.0
"""A listener whose socket takes nothing for so long is dropped, and counted."""
HEARTBEAT_S = 5.0
"""Longest silence in a live response; a player may take twice this for a dead connection."""
LIVE_HEARTBEAT_S = 1.0
"""The same while the Space is live: players give a connection up after 2 s without a byte, and a
stage that restarts is not to make a whole audience connect again at once."""
PROXIED_MAX = 64
"""Requests an edge has under way to web, and as many to the stage."""
CONNECTIONS_MAX = 18_000
"""Sockets one edge holds: below the common descriptor limit of 20,000."""
CLIENT_CONNECTIONS_MAX = 4_000
"""Connections of one client (an IPv4 address, 56 bits of IPv6) to one edge: behind the address of a
telephone company are many people. Those of this machine and of trusted proxies are not counted."""
TLS_TICKET_KEYS_S = 24 * 3600.0
"""Keys of sessions that can be resumed are forgotten then: whoever steals them later reads nothing
older (TLS 1.2; in 1.3 they open nothing anyway). OpenSSL takes sessions up for two hours."""
PROXY_HEADER_BYTES_MAX = 1_024
"""A PROXY header: addresses take at most 232 bytes, what proxies add (names, ids) a few hundred."""
CLIENT_BODIES_MAX = 16
"""Request bodies of one client that an edge gathers at once."""
CLIENT_DEAD_MS = 15_000
"""A client that acknowledges nothing for so long is gone (TCP_USER_TIMEOUT)."""
DOOR_SEND_BUFFER_BYTES = 128 * 1024
"""Kernel memory for what one client has not acknowledged: 1 MB/s over 100 ms of path."""
DOOR_UNSENT_BYTES = 64 * 1024
"""What of that may wait to be sent at all: all there is, once the client reads nothing."""
DOOR_RECEIVE_BUFFER_BYTES = 16 * 1024
"""Kernel memory for what one client has sent: listeners are never read from, heads are no longer,
and a body of 256 KiB takes sixteen round trips."""
COPIED_BYTES_MAX = 16 * 1024
"""A body that is no longer goes out in one piece with its head."""
TURNED_AWAY_MAX = 256
"""Connections beyond those that are told why there is no place; more are closed without a word."""
ACCEPTS_PER_WAKE = 240
"""Connections a gate takes in a row, about 5 ms; the rest is left to its siblings."""
TLS_ACCEPTS_PER_WAKE = 64
"""The same with TLS, where each begins with half a handshake."""
BODY_DEADLINE_S = 10.0
"""A request's body must be complete within this time after its head."""
BODIES_MAX = 256
"""Request bodies of strangers an edge gathers at once: 64 MB at their largest."""
VOUCHED_BODIES_MAX = 64
"""The same of those who have a token: strangers cannot keep a speaker from the stage."""
ANSWER_STUCK_S = 10.0
"""A client that takes nothing of an answer for so long is let go."""
LINGER_S = 1.0
"""What still arrives after a refusal is read away for so long, lest a reset eat the answer."""
LINGER_BYTES_MAX = 64 * 1024
STREAMS_PROXIED_MAX = 128
"""Studios' endless answers one edge passes on; counted apart, so that commands get through."""
GATHERED_BYTES_MAX = 256 * 1024
"""An answer of web or stage that is no longer is taken whole, and its place there is free again
before it is sent: a client that reads slowly is no business of theirs."""
PROXY_ANSWER_S = 30.0
"""From a request passed on to its answer's head."""
PROXY_SILENT_S = 30.0
"""Longest silence within an answer passed on; the studio's stream says something every 5 s."""
SHUTDOWN_S = 2.0
"""Requests under way when an edge is told to stop may take so long to finish."""
SPACES_FOLLOWED_MAX = 512
"""Spaces whose listeners one edge serves at once: more than one stage holds."""
SPACE_IDLE_S = 60.0
"""A Space without listeners is followed for so long, should they come back."""
RING_START_PARTS = 50
"""Parts put into a new ring from the log: 10 s, enough for those who lost another edge."""
OPEN_RECORDS = 400
"""Records indexed between two looks at the sockets while a long log is opened: about 4 ms."""
REREAD_HASHES = 512
"""Records an edge recognises when a writer that distrusted its disk writes them again."""
RESUME_PARTS_MAX = 3_000
"""How far behind the tail a listener may resume: 10 minutes; a browser forgets earlier audio."""
RESUME_BYTES_MAX = 64 * 1024
"""Bytes read from the log at a time for one listener that is behind the ring."""
SLOTS = 20
"""Places in time listeners are spread over: two seconds in steps of a tick. With more of them each
burst of sends would be shorter, and each send dearer: caches are cold after every pause."""
TICKS_PER_PART = 2
TICK_GAP_S = 0.100
"""Ticks of a wheel are at most so far apart: two of them are one part."""
FLUSH_S = 0.3
"""Without a part for so long, what is still unsent is not kept back for one."""
SLOT_SPARE = 64
"""Listeners a slot takes beyond its fair share: few are not worth spreading."""
SEND_COST_START_S = 10e-6
"""What one send is taken to cost before it has been measured."""
SENDS_PER_TURN = 512
"""Sends between two looks at sockets, logs and who wants to join: about 4 ms."""
URING_SENDS = 1_024
"""Sends handed to the kernel by one call, at most; more than SENDS_PER_TURN usually needs."""
URING_SENDS_MIN = 8
"""Fewer are cheaper one by one."""
URING_BYTES = 256 * 1024
"""The longest run of frames that is sent that way: many seconds; a longer one is written."""
SECURED_READS_MAX = 64
"""Reads in a row that bring a TLS connection no further: 16 kB each, or one byte."""
SECURED_RECORDS_MAX = 2**16
"""Records a gate may have sent on a connection it hands over: pages, or a replay."""
KEY_UPDATES_MAX = 8
"""How often a client may agree on other keys with a gate; each costs what a request does."""
SECURED_UNSENT_BYTES = 64 * 1024
"""Enciphered for one connection at once, and held until its socket takes them."""
SEALED_BYTES = 2 * 1024 * 1024
"""Records sealed side by side before they are sent: mostly those of a whole slot. Going to and fro
between cipher and kernel more often costs a tenth."""
RECORDS_MAX = 2**24
"""Records one key seals (RFC 8446 section 5.5 allows AES-GCM 24 million): 38 days of five a second.
Then the connection ends, and the player comes back."""
CADENCES_MS = (200, 500, 1_000, 2_000)
"""How often listeners can be sent to; each step about halves what an edge has to do."""
CADENCE_BUSY_MAX = 0.6
"""Share of its time an edge may send: what comes on top must not overtake the step that is taken
seconds later."""
CADENCE_CALM_BUSY = 0.45
"""A shorter cadence must leave more than half free: between the two nothing changes."""
CADENCE_LATE_S = 0.060
"""Slots that have their turn so late are a sign of a machine that is short."""
CADENCE_BEHIND_MAX = 0.25
"""Share of listeners whose sockets are full: the network is short."""
CADENCE_PRESSED_S = 1.5
"""Pressure must last so long before a step: a single hiccup is none."""
CADENCE_CALM_S = 10.0
"""Calm must last so long before a step back; twice as long after each that was taken too early."""
CADENCE_CALM_MAX_S = 160.0
CADENCE_RELAPSE_S = 60.0
"""Pressure so soon after a step back shows that it was too early."""
CADENCE_LEAD_SPEED = 0.08
"""Players play so much slower before a step, and gain that much sound in hand."""
CADENCE_SPARE_S = 0.5
"""Announced so much earlier than players need."""
LOG_READS_PER_TURN = 16
"""Reads of logs for listeners behind the rings between two looks for new parts: about 5 ms."""
ADMITTED_PER_SLICE = 240
"""Listeners who are given a place between two slices of sends: about 3 ms."""
BEHIND_FRAMES_MAX = 32
"""Frames one listener that is behind is sent in a row before others have their turn."""
LISTENER_SEND_BUFFER_BYTES = 64 * 1024
"""Kernel memory for one listener's unacknowledged audio: about 8 s."""
LISTENER_UNSENT_BYTES = 16 * 1024
"""Audio waiting in the kernel for one listener (TCP_NOTSENT_LOWAT); the rest waits in the ring."""
CARDS_KEPT = 2_048
"""Cards an edge keeps in memory; each is read again when its file changes."""
CARD_BYTES_MAX = 64 * 1024
"""A card as a file: 13 speakers and a description fit many times."""
PAGES_KEPT = 256
"""Rendered Space pages an edge keeps: 10 MB."""
LIVE_LISTED_MAX = 50
"""Spaces named by the door's own home page when web is away."""
STATIC_BYTES_MAX = 8 * 1024 * 1024
"""All static files together; they are served from memory."""
SPACES_READ_MAX = 64
"""Spaces whose replay or playlist one edge has at hand."""
LOGS_READ_AT_ONCE = 2
"""Long logs being indexed for them, each in a thread that takes turns with the event loop: about a
second for each hour of sound."""
REPLAY_BLOCK_BYTES = 64 * 1024
"""Bytes of a replay read and sent at a time: what the kernel takes at once from who is reading."""
SIDX_RUN_S = 10
"""Seconds of sound one reference of a replay's index covers: about 50 parts."""
HLS_SEGMENT_S = 4
"""One media segment: short enough for players without low latency, long enough for caches."""
HLS_PARTIAL_PARTS = 4
"""Parts in a partial segment: 800 ms. Players ask twice for each; shorter ones are a hammer."""
HLS_LIVE_SEGMENTS = 15
"""Media segments in a live playlist: who was away for half a minute goes on where they were."""
HLS_PARTIAL_SEGMENTS = 3
"""Newest media segments whose partial segments are listed: three target durations."""
HLS_SKIP_SEGMENTS = 6
"""Newest media segments that a delta update lists: six target durations, the least allowed."""
HLS_BLOCK_S = 12.0
"""A request waits so long for what it asks for: three target durations."""
HLS_WAITERS_MAX = 8_000
"""Requests that wait for sound at one edge: about 10 kB each."""
HLS_WATCHED_MAX = 256
"""Spaces one edge keeps up with for HLS players: as many as a stage holds."""
HLS_IDLE_S = 20.0
"""A Space nobody asks HLS of is kept up with for so long: five reloads of a slow player."""
HLS_FINAL_S = 60.0
"""Live playlists stay as they ended for so long, that all who follow them see the end."""
HLS_PIECES_KEPT = 256
"""Media segments and partial segments an edge keeps in memory: 8 MB at most."""
HLS_ERROR_S = 1
"""Caches keep a refusal for so long: a crowd that asks too early is refused once a second."""

LEASE_GRACE_S = 30.0
"""A lease ends so much later than it says: whose renewal was late once is not cut off."""
LEASE_ENDS_PER_TICK = 512
"""Leases that end in a row; a crowd whose leases end in one second goes in a few."""
LEASES_KEPT_MAX = 100_000
"""Numbers an edge remembers that do not listen at it: those of 5 s at 20,000 joins a second."""
STAMP_S = 5.0
"""An admission takes no longer from gate to edge; one that is older is not taken."""
MOVES_PER_MINUTE = 6
"""How often a ticket may be shown from another network than before."""
MOVES_S = 60.0
"""The minute in which they are counted."""
CLAIMS_AT_ONCE = 1_000
"""Claims in one message: about 40 kB."""
RENEWED_S = 0.2
"""Edges hear of renewed leases so often: each ends half a minute later than it says anyway."""
CLAIMS_WAITING_MAX = 100_000
"""Claims that wait for an edge that is away or slow; the oldest is given up."""
CLAIMS_PER_SLICE = 2_000
"""Claims an edge takes between two slices of sends: about 4 ms."""

TELLING_TRIES = 10
"""The stage is told of a step so often, while it is away."""
TELLING_PAUSE_S = 1.0
TELLINGS_MAX = 1_024
"""What the stage has not been told of yet: two steps of each Space an edge follows; what is older
makes room."""

# Door ---------------------------------------------------------------------------------------------
LEASE_S = 120.0
"""A ticket is good for so long; players renew at half time, so that a minute of trouble at the door
costs nobody's place."""
LEASE_S_MIN = 5.0
LEASE_S_MAX = 3_600.0
"""A place whose listener has vanished comes back no later than that."""
CHALLENGE_BITS_MAX = 24
"""Computing asked for: with more of it an old telephone would be at it for minutes."""
REPORTERS_MAX = 192
"""Gates and edges that report to one usher: more than a machine has cores."""
USHER_MESSAGE_BYTES = 128 * 1024
"""One report or some Notices; a report of one Space with its sketches has about 10 kB."""
USHER_BACKLOG_BYTES = 256 * 1024
"""What waits for a gate that does not listen; it is told the newer things next time."""
USHER_TICK_S = 1.0
"""How often gates and edges report, and the usher says how it stands."""
USHER_SOON_S = 0.1
"""What cannot wait for the next tick is said so soon: a step that somebody forces."""
USHER_LOOK_S = 0.2
"""How often a gate looks for an usher that is away."""
USHER_SCAN_S = 5.0
"""How often all cards are looked at for Spaces that have been made; one `stat` each."""
FORCES_WAITING_MAX = 16
"""Steps that hosts have forced while the usher is away."""
UNSENT_REPORTS_MAX = 64
"""Reports of a gate whose usher does not read; what happened is counted on, not kept apart."""
DOORS_KEPT = 512
"""Spaces whose doors one gate has at hand; more than are open at once."""
TALLIES_KEPT = 32
"""Spaces whose joins one gate follows for the ledger: half a megabyte each."""
STALE_CHAIRS = 256
"""Listeners a gate takes in a second without an usher, as long as the edges have room."""
EXAMINED_PER_S = 1_000
"""Attempts a gate looks at for the ledger in a second, at 20 µs each; more are counted only."""
JOIN_BYTES_MAX = 512
"""The body of a join: a challenge of 72 characters and its solution."""
CLOSED_RETRY_S = 10.0
"""Whom a closed door tells to come back is told so often."""
LADDER_STEP_MAX = 5
RECORDING_GUESS_MS = 3_600_000
"""A Space is taken to last an hour when people have to be told when the recording will be here."""
RECORDING_STEP_MS = 600_000
"""That is told in steps of ten minutes, and is never nearer than one."""
NOTICES_PER_MESSAGE = 64
"""About 500 bytes each."""
REPORTED_PER_MESSAGE = 8
"""Spaces in one message of a gate: about 12 kB each with their sketches."""
LEDGER_ANCHOR_S = 60.0
"""How often a ledger's hash is put into its Space's log."""
LEDGER_IDLE_S = 900.0
"""The ledger of a Space nobody comes to is closed; each opening begins a segment."""
LEDGER_PARTS_MAX = 32
"""Counts of gates that are kept apart before they are put together."""
TICKETLESS_SHARE = 0.25
"""Of an edge's places, those for players that can show no ticket."""
HLS_CLIENT_S = 30.0
"""A player that has asked for nothing for so long is not counted any more: seven media segments."""
HLS_TELL_S = 8.0
"""The other gates hear of a player so often, while it keeps asking."""
HLS_PLAYERS_MAX = 16_384
"""Players without a ticket that a gate counts, and tickets it follows: about 200 bytes each."""
NEIGHBOUR_KEYS_MAX = 2_048
"""Players one datagram between gates names; more in a tenth of a second are told next time."""
NEIGHBOUR_PAUSE_S = 0.1
HEAVY_HOLDERS_MIN = 4
"""Listeners of one prefix at one edge from which on it is looked at who has the most."""
CAPACITY_SMOOTHED = 0.25
"""What one look (0.5 s) counts of what an edge uses: a burst of joins is over in two seconds."""
MEMORY_LOOK_S = 5.0
"""How often an edge reads how much memory there is: some files each."""
EDGE_JOINS_PER_S = 2_000
"""Joins an edge takes in a second of a free core, with much room: one costs it 0.1 ms."""
EDGE_JOINS_MIN = 50

# Radio -------------------------------------------------------------------------------------------
RADIO_BLOCK_BYTES = 32 * 1024
"""Chromium lets its decoder have a stream's bytes in blocks of this size, and not before."""
RADIO_SPARE_S = 4.0
"""Sound a radio player has in hand beyond such a block: twice the longest cadence."""
RADIO_PATIENCE_S = 2.0
"""Without a part for so long a radio stream goes on with silence: half of what players have to
spare is still in hand, and most stages are back by then."""
RADIO_BEHIND_PARTS = 100
"""Parts a radio stream may be behind its log (20 s); then it leaves some out and goes on live."""
RADIO_TICK_S = 0.1
"""How often the radio process looks at the logs of those somebody listens to: half a part."""
RADIO_RECORDS_PER_TURN = 16
"""Records one Space's radio takes before others have their turn: 15 ms of encoding MP3."""
RADIO_LOOK_BACK_RECORDS = 5_000
"""Records looked through for who spoke last, when a radio stream begins: about five minutes."""
RADIO_CONNECTIONS_MAX = 4_096
"""Edges' connections to the radio process: every open Space in three formats on five edges."""
RADIO_BACKLOG_BYTES = 256 * 1024
"""Bytes waiting for one edge: half a minute of MP3. An edge further behind asks again."""
RADIO_ASK_BYTES_MAX = 256
RADIO_IDLE_S = 10.0
"""An edge keeps a radio stream for so long after its last listener: many players come back."""
RADIO_AWAY_S = 5.0
"""Who has waited so long for a radio stream's first sound is told to come again."""
ICY_METAINT = 9_216
"""Bytes between two blocks of metadata: 48 frames of MP3, 1.15 s."""
ICY_DESCRIPTION_CHARS_MAX = 100
RADIO_MESSAGE_BYTES_MAX = 64 * 1024
"""One message of the radio process; a part has 2 kB."""

# Shield ------------------------------------------------------------------------------------------
# All rates are of one gate: a node with N of them lets N times as much through.
SHIELD_HOST_RATES = (
    (500.0, 1_500.0),
    (2_000.0, 20_000.0),
    (50.0, 1_600.0),
    (10.0, 200.0),
    (10.0, 200.0),
)
"""What one host may do a second, and at once, in the order of `shield.Verb`: connections, requests,
joins without a ticket or place, tickets that are not genuine, what is malformed. 2,000 people
behind one address come within ten seconds with three connections each, and none forges tickets;
a thousand connections a second that ask for the page cost gates a tenth of a core."""
SHIELD_TLS_CONNECTIONS = (100.0, 500.0)
"""The same of new connections where each begins with a handshake: those take 2 ms of a core."""
SHIELD_PREFIX_FACTOR = 2.0
"""A prefix may do as much as two of its hosts: one that floods leaves its neighbours half."""
FAIR_WINDOW_S = 1.0
"""While the door does not keep up, connections are divided among prefixes anew each second."""
FAIR_TIGHTENED = 0.8
FAIR_EASED = 1.3
"""Of what was looked at in a second, as much is looked at in the next while the queue of the door
does not run empty; and so many times as much once it does."""
FAIR_LEVEL_MIN = 2.0
"""Connections a second a prefix has at one gate in any case: a household that presses reload."""
FAIR_PREFIXES_MAX = 32_768
"""Prefixes counted in a second; those beyond come for the first time, and are let in."""
DOOR_BEHIND_S = 0.3
"""A door that has not seen its queue empty for so long does not keep up."""
SHIELD_KEYS_MAX = 16_384
"""Hosts or prefixes in one generation of a table: 25 MB when every table is full twice over."""
SHIELD_GENERATION_S = 900.0
"""Hosts not heard of for one generation are forgotten with the next: within half an hour."""
SHIELD_SOURCES_REMEMBERED = 8_192
"""IPv6 addresses whose reading is not repeated."""
STANDING_PASSES = 16
"""Genuine passes that show a host or prefix to be many people: more than a household has."""
STANDING_S = 240.0
"""They count for so long at least: two leases."""
STANDING_FACTOR = 20.0
"""Such a prefix may do so many times as much: what a gate can look at and refuse by itself."""
OFFENCES_PER_S = 50
"""Refusals a second that are borne: a crowd that presses reload is not a flood."""
OFFENCES_MANY_PER_S = frozenset({1_000, 2_000})
"""A second with so many counts twice, and with so many three times: a machine's own doing."""
OFFENCE_SECONDS = 4
"""Who exceeds that in so many seconds is kept out. Meanwhile people behind the same address may
come by good standing."""
OFFENCE_SECONDS_AGAIN = 2
"""The same, of who was kept out before."""
OFFENCE_GAP_S = 5
"""Seconds further apart than this are not counted together."""
BAN_MIN_S = 60.0
"""Who keeps exceeding is kept out for so long; twice as long each time."""
BAN_MAX_S = 3_600.0
BAN_TRICKLE_PER_S = 20
"""New connections of somebody who is kept out that are let in all the same: behind the address may
be people, and they can show it (`STANDING_PASSES`)."""
BAN_TRICKLE_BURST = 5
BAN_TRICKLE_ALL_PER_S = 500
"""The same of all who are kept out together, in the kernel."""
OFFENDER_FORGOTTEN_S = 7_200.0
"""So long after a ban the next is a first one again."""
BANS_MAX = 65_536
"""Hosts and prefixes kept out at once: 50,000 are loaded into the kernel in 0.2 s."""
SHIELD_NEWS_MAX = 4_096
"""Bans that wait to be told to the kernel; those beyond are kept by the gate alone."""
PREFIX_CONNECTIONS_MAX = 8_000
"""Connections of one prefix to one gate: as many as of two of its clients."""
HALF_OPEN_PREFIX_MAX = 512
"""Connections of one prefix that have not asked for anything yet; its own oldest makes room. 2,000
people on slow radio within ten seconds have about 200."""
KERNEL_SOURCE_PER_S = 3_000
"""New connections of one host the kernel lets through to the door: closing that many costs gates
5 % of a core, and 10,000 people behind one address are there within ten seconds."""
KERNEL_SOURCE_BURST = 6_000
KERNEL_SOURCES_MAX = 65_535
"""Hosts whose rate the kernel keeps: 8 MB. When it is full, others are let through unmeasured."""
SHIELD_LINES_MAX = 80
"""Gates and commands connected to the helper at once: more than there are gates."""
SHIELD_MESSAGE_BYTES_MAX = 4_096
SHIELD_LISTED_MAX = 1_000
"""Bans one answer of the helper lists."""
SHIELD_BATCH_S = 0.1
"""Bans are gathered for so long and told to the kernel together."""
SHIELD_TOLD_MAX = 64
"""Bans in one message of a gate."""
SHIELD_RETRY_S = 5.0
"""Between two looks of a gate for a helper that is away."""
KERNEL_ANSWER_S = 5.0
"""The kernel's table must stand within this time."""

# Node --------------------------------------------------------------------------------------------
DOOR_BACKLOG = 4_096
"""Connections that wait in the kernel while every edge is busy or being restarted."""
LOCK_TRIES = 5
LOCK_PAUSE_S = 0.02
"""A process's lock is tried so often: others look at it for moments, to see who is there."""
STOP_DEADLINE_S = 4.5
"""From SIGTERM to SIGKILL: a clean stop takes less than five seconds."""
RESTART_WAIT_MIN_S = 0.05
"""A process that died is started again after this; the wait doubles while it keeps dying."""
RESTART_WAIT_MAX_S = 5.0
STEADY_S = 10.0
"""A process that lived so long is healthy: its next restart is quick again."""

# Web ---------------------------------------------------------------------------------------------
PASSWORD_CHARS_MIN = 10
PASSWORD_CHARS_MAX = 256
SESSION_DAYS = 30
SESSIONS_PER_ACCOUNT_MAX = 20
"""Browsers signed in to one account at once; the oldest is signed out by the next."""
LOGIN_TRIES_PER_HOUR = 10
"""Passwords tried for one account from one client prefix."""
LOGIN_TRIES_PER_PREFIX_PER_HOUR = 60
"""Passwords tried from one client prefix for whatever accounts."""
LOGIN_TABLE_MAX = 20_000
"""Entries of the login throttle, about 200 bytes each; the one longest unused makes room."""
HASHES_AT_ONCE = 2
"""Password hashes under way: argon2id takes 64 MiB and 140 ms of a core each."""
HASHES_WAITING_MAX = 32
"""Password hashes waiting for their turn: about two seconds of waiting."""
DATABASE_CONNECTIONS = 4
"""Connections (and threads) a web process has to its database."""
DATABASE_BUSY_S = 2.0
"""How long a database locked by somebody else is waited for."""
WEB_BODY_BYTES_MAX = 64 * 1024
"""A form or JSON document; the longest description, percent-encoded, is 24 kB."""
FORM_FIELDS_MAX = 16
STAGE_ANSWER_S = 5.0
"""How long web waits for the stage's answer."""
STAGE_ANSWER_BYTES_MAX = 64 * 1024
STAGE_CALLS_MAX = 16
"""Requests web has under way to the stage."""
CARDS_READ_S = 1.0
"""Cards are read again at most this often, however many ask for pages."""
CARDS_KEPT_MAX = 2_000
"""Cards web keeps in memory, the last changed ones: about 4 MB."""
HOME_SPACES_MAX = 200
"""Spaces on one page."""
STARTS_AHEAD_DAYS_MAX = 730
"""How far ahead a Space may be announced: a year and a conference's next edition."""
WEB_STOP_S = 2.0
"""Requests under way may finish within this time when web stops."""

# Drill -------------------------------------------------------------------------------------------
DRILL_LISTENERS_MAX = 100_000
"""People of one rehearsal: five worker processes' descriptors, and more than one core can play."""
DRILL_ATTACKERS_MAX = 20_000
"""Connections of attackers at once; they may be opened again and again."""
DRILL_SCALE_MAX = 10_000_000
"""Arrivals of a simulated evening: about 2 kB of memory for each thousand, and minutes of time."""
DRILL_SECONDS_MAX = 1_800.0
CERTIFICATE_DAYS = 30
"""A capacity certificate is valid for so long, unless version or settings change before."""
CERTIFICATE_BYTES_MAX = 256 * 1024

# The door's rules (gate/) ------------------------------------------------------------------------
DOOR_KEY_S = 86_400
"""The keys of the door change at midnight (UTC); yesterday's are taken for a day more."""
CLOCK_SKEW_S = 30
"""Clocks of two machines may differ by so much."""
TICKET_AHEAD_MAX_S = 2 * 86_400
"""A ticket that is valid for longer was not meant, whoever signed it."""
SHUFFLE_US = 10_000_000
"""Those who came before the doors opened have turns in so many microseconds after it."""
CLAIM_S = 180
"""So long a turn may be taken up: browsers let hidden pages sleep for a minute and more."""
GONE_S = 720
"""So long after its turn a place is worth one turn at the front; then it is worth nothing."""
TURN_AHEAD_MAX_S = 3_600
"""A turn is no further in the future, whatever its prefix has taken."""
TURN_BUCKETS_MAX = 8_192
"""Seconds of turns in which the usher counts who waits: two hours of arrivals."""
REPORT_TURNS_MAX = 1_024
"""Seconds of turns in one gate's report of one Space."""
LET_IN_REMEMBERED = 65_536
"""Numbers a gate remembers having let in: some 5 MB for a Space that fills fast."""
REPORT_PREFIXES = 32
"""Prefixes named in it: those that took the most places."""
TALLY_PREFIXES_MAX = 16_384
"""Prefixes counted between two reports; who comes when all are taken is not among the heaviest."""
CALL_AHEAD_S = 8.0
"""People are called for chairs that will be free so much later: so long they take to come."""
MARK_TRAIL_US = 2_000_000
"""The mark stays so far behind the newest turns: reports of them are still on their way."""
NOTICE_STALE_S = 10.0
"""Without a notice for so long a gate lets people in as long as the edges have room."""
SHOW_UP_S = 10.0
"""A chair that was given away is kept free for so long until its stream begins."""
SHOW_UP_PRIOR = 50.0
"""People whose behaviour is assumed before that of real ones is known."""
SHOW_UP_LEARNT_MAX = 2_000.0
"""People remembered when it is learnt how many come when called: the latest count."""
LISTEN_PRIOR_S = 1_200.0
"""How long people stay, before anything is known of this audience."""
FORECAST_MEMORY_S = 900.0
"""How long it counts how soon somebody left."""
BELIEVE_EVERY_S = 5
"""How often the usher thinks about it anew: it takes a millisecond."""
LEAVE_PRIOR_S = 1_800.0
"""How long people wait before they give up, before anything is known of this audience."""
LEAVE_PRIOR_WEIGHT = 5e7
"""How much that counts: as if 5,000 people had been called after waits that differ by 100 s."""
WAIT_MAX_S = 86_400.0
"""No estimate is longer."""
POLL_MIN_S = 3.0
"""A waiting page asks no more often."""
POLL_MAX_S = 10.0
"""And, times 1.25 for jitter, no more seldom: what it shows is never older than 15 s."""
MEANWHILE_SHARE = 0.9
"""Who waits may hear the radio stream meanwhile, while less than this share of all chairs is taken:
it is admission that takes its time then, and not room that is missing."""
PATIENCE_S = 60
"""Who would rather not compute has a turn so much later."""
PATIENCE_UNITS = 4
"""And takes so many places' worth of the share of their prefix."""
SHARE_PREFIXES_MAX = 65_536
"""Prefixes whose places are counted for one Space at one gate."""
PREFIX_TEXTS_MAX = 8_192
"""Addresses whose prefix is not worked out again."""
SHARE_BURST_CALM = 256
"""Places one prefix may take in a row without any later turn while nobody goes short."""
SHARE_BURST_MIN = 8
"""The same, and the chairs of one prefix, when people do: a household, an office."""
SHARE_REFILL_S = 30
"""So long until it may do so again."""
SHARE_KEPT_S = 300.0
"""A new usher keeps the share of the last one: it does not know yet who asks for how much."""
SHARE_FLOOR = 0.01
"""Of all chairs, what one prefix may hold in any case: behind an address may be thousands."""
SHARE_LOTS_S = 300
"""Who of a prefix with too many chairs gives theirs back is drawn anew so often."""
SHARED_OUT = 0.92
"""Of the chairs, those that prefixes share while people wait: who comes next finds one sooner."""
HEAVY_PREFIXES = 64
"""Prefixes named in a notice, and in an edge's report."""
ASKING_HALF_S = 7_200.0
"""In so long it counts half as much that a prefix took a place."""
USHER_PREFIXES_MAX = 16_384
"""Prefixes the usher remembers having asked for places."""
RESERVE_SHARE = 0.05
"""Of the chairs, those kept for people with an account."""
FILL_S = 60.0
"""An audience that fills the house in less than so long is more than was expected."""
ARRIVALS_EXPECTED_MIN = 20.0
"""Arrivals a second that are never called many."""
GATE_SILENT_S = 3.0
"""A gate or edge that has not reported for so long is not counted on."""
CHALLENGE_S = 120
"""A challenge must be solved within it: the slowest telephone needs seconds."""
CHALLENGE_BITS_BASE = 14
"""16,384 hashes at most, half of it in the mean: 50 ms of a telephone."""
CHALLENGE_BITS_TOP = 18
"""For everybody: a second of a telephone."""
PRICE_UP_S = 5.0
PRICE_DOWN_S = 15.0
"""Between two changes of the price of a place."""
LADDER_UP_S = 5.0
"""Pressure must last so long before a step up, and each further one takes as long."""
LADDER_CALM_S = 30.0
"""Calm must last so long before the first step down."""
LADDER_DOWN_S = 20.0
"""Between two steps down."""
LADDER_EASE = 0.9
"""A step is left when what it was taken for is below so much of its threshold."""
CAPACITY_BUSY = 0.7
"""The share of its processor an edge plans with: joins, parts and the unforeseen have the rest."""
CAPACITY_CADENCE_MS = 1_000
"""Capacity is reckoned at this cadence: latency is given up before people are."""
CAPACITY_LISTENERS_KNOWN = 200
"""From so many listeners on it is their measured cost alone that counts."""
CAPACITY_SPARE = 0.05
"""Of descriptors, memory and egress, what is left free."""
LISTENER_SEND_S = 12e-6
"""What one send costs on the reference machine, with some room: `make bench` has 9 µs."""
LISTENER_BYTES = 16_384
"""Memory of one listener, the kernel's included, with room for one that reads slowly."""

# Telemetry ---------------------------------------------------------------------------------------
TELEMETRY_ALIKE_MAX = 20
"""Lines that one place in the code says within the time below; how many more there were is told."""
TELEMETRY_ALIKE_S = 10.0

# Audience ----------------------------------------------------------------------------------------
HLL_BITS = 10
"""2^10 registers of one byte count how many different came, with a standard error of 3.3 %."""
BLOOM_BITS = 1 << 21
BLOOM_HASHES = 4
"""256 KiB remember 200,000 clients with one wrong yes in a hundred."""
KNOWN_PREFIXES_MAX = 200_000
"""Prefixes of earlier Spaces in one of the two filters; of all open Spaces until they are over."""
KNOWN_DAYS = 45.0
KNOWN_DAYS_MAX = 400.0
KNOWN_LOOK_S = 30.0
"""Gates look so often whether the prefixes of earlier Spaces have become others."""
STAYING_MAX = 50_000
"""Prefixes whose people stay, of all Spaces together, at one gate."""
STAYING_PER_REPORT = 500
"""Of these in one report of a second: 4.5 kB."""
PAGE_TURN_S = 600
"""Who loaded a page is known for 10 to 20 minutes to have done so."""
LEDGER_SPAN_S = 10
"""One record of the ledger: short enough for waves of an attack, 360 an hour."""
TOP_PREFIXES = 16
"""Rows of prefixes and of heads in one record."""
TOP_TABLE = 64
"""Rows counted to have those: whoever makes more than 1/64 of the attempts is among them."""
COHORTS_MAX = 128
"""Combinations of marks in one record, the most frequent ones; some 60 occur."""
CAUSES_MAX = 48
"""Different outcomes and causes in one record; docs/errors.md has fewer codes of the door."""
CROWDED_ATTEMPTS = 12
"""A prefix with more attempts than this in one record is crowded: a carrier's NAT, or a flood."""
ALIKE_ATTEMPTS = 64
ALIKE_SHARE = 0.35
"""Heads alike: one head on so many attempts of a record. The most common browser has a fifth."""
ODD_ATTEMPTS = 5
ODD_SHARE = 0.25
"""Odd attempts of a prefix, or with a head, in a record, from which all others are marked too.
People's own players and lost pages make up to 8 in 100."""
AGAIN_S = 60
"""Who comes again within a minute has come again, and is not somebody else."""
REGULAR_SHARE = 0.1
"""Two gaps between three attempts that differ by less than this are those of a clock."""
EARLIER_SPACES_MAX = 8
"""Earlier Spaces whose ledgers say what is usual: two months of a weekly show."""
INCIDENT_AFTER_S = 20
"""The report of an incident is made so long after the end: then the ledger is complete."""
INCIDENT_WAIT_S = 3.0
"""Who asks for a report while another one is being made is told to come back after this."""
CLIENTS_FOLLOWED_MAX = 16_384
"""Clients whose last attempt a gate remembers, about 200 bytes each; beyond, half are forgotten."""

# Tokens ------------------------------------------------------------------------------------------
TOKEN_BYTES_MAX = 1_024
TICKET_BYTES_MAX = 128
"""The signed texts of the door: a challenge, the longest, has 72 characters."""
HOST_TOKEN_S = 24 * 3600
SPEAKER_TOKEN_S = 24 * 3600
INVITE_TOKEN_S = 7 * 24 * 3600
SERVICE_TOKEN_S = 60

assert JOINS_HELD_S < STAMP_S < MOVES_S < LEASE_GRACE_S * 4, "stamps outlive what is on its way"
assert PART_SAMPLES * 5 == SAMPLE_RATE, "five parts make a second"
assert JOIN_PARTS * PART_SAMPLES >= SAMPLE_RATE * 0.4, "a player starts with 400 ms in hand"
assert JITTER_DELAY_MIN_S < JITTER_DELAY_START_S < JITTER_DELAY_MAX_S, "room to adapt"
assert JITTER_DELAY_MAX_S < SPEAKER_SILENT_S, "who is only late is not dropped"
assert SPEAKER_SILENT_S < SPEAKER_TAKEOVER_S < SPEAKER_LOST_S < ABANDONED_S, "drop, retake, leave"
assert LOGIN_TRIES_PER_HOUR < LOGIN_TRIES_PER_PREFIX_PER_HOUR, "a prefix holds several people"
assert WEB_BODY_BYTES_MAX <= BODY_BYTES_MAX, "what an edge passes on, web can refuse by itself"
assert HOME_SPACES_MAX <= CARDS_KEPT_MAX, "a page is made of cards in memory"
assert PEER_SILENT_S < PEER_SETTLED_S < PUBLISH_TIMEOUT_S, "unlock fast, lock with care"
assert SCAN_BYTES > PAYLOAD_BYTES_MAX + 128, "a scan holds any one record"
assert READ_BYTES_MAX > PAYLOAD_BYTES_MAX + 128, "a read holds any one record"
assert SYNC_INTERVAL_S < 1.0, "durable within a second"
assert PART_SAMPLES * HLS_PARTIAL_PARTS * 5 == SAMPLE_RATE * HLS_SEGMENT_S, "five to a segment"
assert HLS_PARTIAL_SEGMENTS <= HLS_SKIP_SEGMENTS <= HLS_LIVE_SEGMENTS, "a delta skips old ones only"
assert HLS_BLOCK_S < HLS_IDLE_S, "a Space somebody waits for is kept up with"
assert BAN_MIN_S < BAN_MAX_S < OFFENDER_FORGOTTEN_S, "who comes back is remembered"

assert LEASE_S < CLAIM_S < GONE_S, "a place outlasts a lease, and lapses before it is gone"
assert 1.25 * POLL_MAX_S < 15, "no visible waiting page is older"
assert CHALLENGE_BITS_BASE <= CHALLENGE_BITS_TOP <= CHALLENGE_BITS_MAX <= 32
