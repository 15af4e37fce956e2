"""Whether something about a person may become a record, and under which pseudonym."""

from __future__ import annotations

from typing import Final, NamedTuple

from edge_agent.clock import Clock
from edge_agent.gate.policy import RecordRule, Unknown
from edge_agent.gate.timetable import Timetable
from edge_agent.identity.credentials import Credentials, Lookup
from telemetry.credential_map import CredentialMap, Person
from telemetry.purposes import Purpose
from telemetry.records import RECORD_TYPES

TIME_MS_MAX: Final = 32_503_680_000_000
"""Year 3000: the collector refuses a batch with a later time, and all that is in it."""

NOT_IN_POLICY: Final = "not_in_policy"
NO_CONSENT: Final = "no_consent"
CONSENT_ENDED: Final = "consent_ended"
TIME_OUT_OF_BOUNDS: Final = "time_out_of_bounds"


class Pass(NamedTuple):
    """Under which name a record passes; neither, for one without a person."""

    pseudonym: str | None
    class_id: str | None


ANONYMOUS: Final = Pass(None, None)


class Admission:
    """The rule of one record type, asked for each of its kind. Every refusal is a word to count."""

    def __init__(self, record: str, rule: RecordRule, credentials: Credentials, clock: Clock) -> None:
        self.rule = rule
        self.credentials = credentials
        self._purpose: Purpose = RECORD_TYPES[record].purpose
        self._outside = f"outside_{rule.window}"
        self._clock = clock
        self._map: CredentialMap | None = None
        self._timetable: Timetable | None = None

    def admit(self, credential: str | None, time_ms: int, *, fever: bool = False) -> Pass | str:
        """For something that happened at a time; or why not."""
        if not 0 <= time_ms < TIME_MS_MAX:
            return TIME_OUT_OF_BOUNDS
        now_ms = self._clock.now_ms()
        person = self.credentials.find(credential, now_ms)
        if isinstance(person, Lookup):
            rule = self.rule
            answer = rule.map_unusable if person is Lookup.MAP_UNUSABLE else rule.unknown
            passed = _anonymous(answer, fever=fever) or person.value
        else:
            passed = self.permit(person, now_ms)
        if isinstance(passed, Pass) and self.rule.window != "always":
            found = self.credentials.current(now_ms)
            # Without a map there is no timetable. Only what somebody must be told of comes this far.
            if found is not None and not self.timetable(found).is_open(passed.class_id, time_ms):
                return self._outside
        return passed

    def permit(self, person: Person, now_ms: int) -> Pass | str:
        """What somebody has agreed to, now."""
        permit = person.permits.get(self._purpose)
        if permit is None:
            return NO_CONSENT
        if permit.until_ms is not None and permit.until_ms <= now_ms:
            return CONSENT_ENDED
        return Pass(permit.pseudonym, person.class_id)

    def timetable(self, found: CredentialMap) -> Timetable:
        """The rule's windows in a map; made anew when the map is a new one."""
        if self._timetable is None or found is not self._map:
            self._map, self._timetable = found, Timetable(found, self.rule)
        return self._timetable


def _anonymous(answer: Unknown, *, fever: bool) -> Pass | None:
    return ANONYMOUS if answer == "anonymous" or (answer == "anonymous_if_fever" and fever) else None
