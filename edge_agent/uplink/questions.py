"""Where answers are not pushed: which batches are asked for, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edge_agent.buffer.contract import BatchId
from edge_agent.uplink.contract import Outgoing
from telemetry.batch import Stream
from telemetry.envelope import Kind, Signer
from telemetry.posting import FORMAT, Pending, encode_pending
from telemetry.ranges import RangeSet

ASK_S, ASK_S_MAX = 1.0, 5.0
"""An answer that is due so long is asked for, then less and less often. Sooner where batches are soon sent
again.
"""


class Questions:
    """Makes questions for what is under way. resend_s: after so long a batch is sent again."""

    def __init__(self, school: str, gateway: str, signer: Signer, resend_s: float) -> None:
        self._school = school
        self._gateway = gateway
        self._signer = signer
        self._next_s: dict[Stream, float] = {}
        self.resend_s = resend_s

    def due(
        self, stream: Stream, flights: Iterable[tuple[BatchId, float]], now_s: float
    ) -> Iterator[Outgoing]:
        """One for each generation of which an answer is due. flights: what is under way, and since when."""
        if now_s < self._next_s.get(stream, 0.0):
            return
        ask_s = min(ASK_S, self.resend_s / 2)
        age_s, due = 0.0, dict[str, RangeSet]()
        for id_, sent_s in flights:
            if id_.stream == stream and now_s - sent_s >= ask_s:
                due.setdefault(id_.generation, RangeSet()).add(id_.sequence)
                age_s = max(age_s, now_s - sent_s)
        if due:
            # What takes long will take longer: a store that holds what it has is asked a few times only.
            self._next_s[stream] = now_s + min(age_s, ASK_S_MAX)
        for generation, ranges in due.items():
            yield self._question(stream, generation, ranges)

    def _question(self, stream: Stream, generation: str, ranges: RangeSet) -> Outgoing:
        pending = Pending(FORMAT, self._school, self._gateway, stream, generation, tuple(ranges))
        envelope = self._signer.wrap(Kind.PENDING, encode_pending(pending))
        return Outgoing("urgent" if stream == "urgent" else "batch", envelope)
