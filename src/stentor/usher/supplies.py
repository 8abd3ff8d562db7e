"""What there was to give in a span of the ledger, from reports and Notices. Pure."""

from stentor.audience.ledger import Supply
from stentor.gate.notice import EdgeReport, GateReport, Notice
from stentor.limits import GATE_SILENT_S


class Supplies:
    """Gathers the figures of a span; counts are sums, states are those of the span's end."""

    def __init__(self, *, edges: int, gates: int) -> None:
        """Args: edges, gates: how many there should be."""
        self._edges_wanted, self._gates_wanted = edges, gates
        self._edges: dict[str, tuple[float, EdgeReport]] = {}
        self._gates: dict[str, tuple[float, GateReport]] = {}
        self._known: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """A new span begins."""
        self._sums: dict[str, dict[str, int]] = {}
        self._restarts: dict[str, int] = {}
        self._kernel: dict[str, int] = {}
        self._worst = dict.fromkeys(("gate_cpu", "edge_cpu", "gate_lag_ms", "edge_lag_ms"), 0.0)
        self._age_ms = 0.0
        self._reports = self._due = 0

    @property
    def edges(self) -> int:
        """Edges that are alive."""
        return len(self._edges)

    def came(self, name: str) -> None:
        """A process reports for the first time on a connection: it has begun, or begun again."""
        if name in self._known:
            self._restarts[name] = self._restarts.get(name, 0) + 1
        self._known.add(name)

    def gate(self, report: GateReport, now: float) -> None:
        """A gate reports."""
        self._gates[report.gate] = (now, report)
        self._reports += 1
        self._see("gate_cpu", report.busy)
        self._see("gate_lag_ms", report.lag_ms)
        for kind, count in report.shield.items():
            self._kernel[kind] = self._kernel.get(kind, 0) + count

    def edge(self, report: EdgeReport, now: float) -> None:
        """An edge reports."""
        self._edges[report.edge] = (now, report)
        self._reports += 1
        self._see("edge_cpu", report.busy)
        self._see("edge_lag_ms", report.late_ms)
        self._age_ms = max(self._age_ms, report.queue_ms)
        for space, told in report.spaces.items():
            sums = self._sums.setdefault(space, {})
            for name, count in (("begun", told.began), ("ended", told.ended)):
                sums[name] = sums.get(name, 0) + count
            sums["stuck"] = sums.get("stuck", 0) + told.stalls

    def tick(self, now: float) -> None:
        """A second has passed: everybody alive owes a report."""
        since = now - GATE_SILENT_S
        self._edges = {name: one for name, one in self._edges.items() if one[0] >= since}
        self._gates = {name: one for name, one in self._gates.items() if one[0] >= since}
        self._due += len(self._edges) + len(self._gates)

    def of(self, notice: Notice) -> Supply:
        """All of the span so far, for one Space."""
        edges = [report for _, report in self._edges.values()]
        measured = sum(report.capacity for report in edges)
        tightest = min(edges, key=lambda report: report.capacity, default=None)
        sums = self._sums.get(notice.space, {})
        return Supply(
            capacity=notice.capacity,
            measured=measured,
            binding=tightest.binding if tightest is not None else "",
            edges=len(self._edges),
            edges_wanted=self._edges_wanted,
            gates=len(self._gates),
            gates_wanted=self._gates_wanted,
            silent=max(0, self._due - self._reports),
            listeners=notice.listeners,
            waiting=notice.waiting,
            mode=notice.mode,
            step=notice.step,
            why=notice.why,
            bits=notice.challenge_bits,
            cadence_ms=max((report.cadence_ms for report in edges), default=200),
            begun=sums.get("begun", 0),
            ended=sums.get("ended", 0),
            dropped={"stuck": sums["stuck"]} if sums.get("stuck") else {},
            age_ms=self._age_ms,
            restarts=dict(self._restarts),
            kernel=dict(self._kernel),
            gate_cpu=self._worst["gate_cpu"],
            edge_cpu=self._worst["edge_cpu"],
            gate_lag_ms=self._worst["gate_lag_ms"],
            edge_lag_ms=self._worst["edge_lag_ms"],
        )

    def _see(self, name: str, value: float) -> None:
        self._worst[name] = max(self._worst[name], value)
