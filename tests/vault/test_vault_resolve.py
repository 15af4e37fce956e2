"""Names for those who may have them: roles, epochs, limits, break-glass, and a row for every name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from identity_vault.database import tables
from identity_vault.database.engine import VaultUnavailableError
from identity_vault.names import NamesDesk, review, unreviewed
from identity_vault.names.pacing import EVERYBODY_MAX, NAMES_MAX, SESSIONS_MAX, UNKNOWN_MAX, Pacing
from identity_vault.names.roles import default_roles
from identity_vault.roster import (
    begin_epoch,
    bump,
    change_pupil,
    close_epoch,
    current_epoch,
    get_pupil,
    remove_pupil,
)
from identity_vault.roster.cases import keep_case
from identity_vault.vault import Vault
from telemetry.names import NAMES_AT_ONCE_MAX
from telemetry.purposes import PURPOSE_NAMES, Purpose
from telemetry.resolve_token import FORMAT, Claims, mint
from tests.vault.names_parts import (
    COLLECTOR,
    REASON,
    Browser,
    Clock,
    add_lesson,
    pseudonym,
    refusal,
    rows_of,
)
from tests.vault.vault_parts import NOW_MS, SCHOOL, add_somebody, make_vault


class Rig:
    """A vault with Ada in 3-2 and Ben in 4-1."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(NOW_MS)
        self.vault = make_vault(folder, now_ms=self.clock.wall_ms)
        self.ada = add_somebody(self.vault, 1)
        self.ben = add_somebody(self.vault, 2, class_id="4-1")
        self.desk = self.new_desk()

    def new_desk(self) -> NamesDesk:
        return NamesDesk(self.vault, COLLECTOR.public_key(), now_s=self.clock.monotonic_s)

    def browser(
        self, role: str, purpose: Purpose, *, session: str = "", classes: tuple[str, ...] | None = None
    ) -> Browser:
        return Browser(self.desk, self.clock, role, purpose, session=session, classes=classes)

    def of(self, purpose: Purpose, pupil_id: str | None = None, epoch: str | None = None) -> str:
        return pseudonym(self.vault, purpose, pupil_id or self.ada, epoch)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_the_nurse_gets_names_and_every_one_is_in_the_audit(rig: Rig) -> None:
    nurse = rig.browser("nurse", "health")
    ada, ben = rig.of("health"), rig.of("health", rig.ben)
    answer = await rig.desk.resolve(
        nurse.token(), msgspec.json.encode({"pseudonyms": [ada, ben, ada, "A" * 26]})
    )
    assert msgspec.to_builtins(answer) == {
        "people": {
            ada: {"name": "示例生1", "class_id": "3-2", "class_zh": "3-2 班", "class_en": "Class 3-2"},
            ben: {"name": "示例生2", "class_id": "4-1", "class_zh": "4-1 班", "class_en": "Class 4-1"},
        }
    }
    rows = rows_of(rig.vault, "resolve")
    assert [(row.actor, row.purpose, row.pupil) for row in rows] == [
        ("session:nurse-1", "health", rig.ada),
        ("session:nurse-1", "health", rig.ben),
    ]
    (unknown,) = rows_of(rig.vault, "resolve_unknown")
    assert (unknown.pupil, unknown.detail) == (None, '{"count":1,"role":"nurse"}')


async def test_on_postgresql_too(any_vault: Vault) -> None:
    ada = add_somebody(any_vault, 1)
    clock = Clock(NOW_MS)
    desk = NamesDesk(any_vault, COLLECTOR.public_key(), now_s=clock.monotonic_s)
    facilities = Browser(desk, clock, "facilities", "safety")
    with refusal(403):
        await facilities.ask(pseudonym(any_vault, "safety", ada))
    grant = await facilities.break_glass("safety")
    assert list((await facilities.ask(pseudonym(any_vault, "safety", ada))).values()) == ["示例生1"]
    with any_vault.begin() as connection:
        (waiting,) = unreviewed(any_vault, connection)
        assert (waiting.id, waiting.reason, waiting.names) == (grant.grant, REASON, 1)
        assert review(any_vault, connection, waiting.id, accepted=True, reviewer="张老师", actor="command:x")


async def test_nothing_goes_out_that_the_audit_could_not_take(rig: Rig) -> None:
    with rig.vault.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    with pytest.raises(VaultUnavailableError, match="full"):
        await rig.browser("nurse", "health").ask(rig.of("health"))
    with pytest.raises(VaultUnavailableError, match="full"):
        await rig.browser("facilities", "safety").break_glass("safety")
    with rig.vault.begin() as connection:
        assert unreviewed(rig.vault, connection) == []


async def test_a_pseudonym_of_another_purpose_is_like_one_of_nobody(rig: Rig) -> None:
    others = [rig.of(purpose) for purpose in PURPOSE_NAMES if purpose != "health"]
    assert await rig.browser("nurse", "health").ask(*others, "0" * 26, "", "示例", "a" * 5_000) == {}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("nurse", {"health", "safety"}),
        ("class_teacher", {"health"}),
        ("canteen", {"nutrition"}),
        ("facilities", set()),
        ("district", set()),
    ],
)
async def test_a_role_has_its_purposes_and_no_other(rig: Rig, role: str, allowed: set[Purpose]) -> None:
    for purpose in PURPOSE_NAMES:
        browser = rig.browser(role, purpose, classes=("3-2",))
        if purpose in allowed:
            assert len(await browser.ask(rig.of(purpose))) == 1
        else:
            with refusal(403):
                await browser.ask(rig.of(purpose))


async def test_a_token_for_one_purpose_opens_no_other(rig: Rig) -> None:
    nurse = rig.browser("nurse", "health")
    with refusal(403):
        await nurse.ask(rig.of("safety"), purpose="safety")
    assert len(await rig.browser("nurse", "safety").ask(rig.of("safety"))) == 1


@pytest.mark.parametrize("role", ["", "principal", "Nurse"])
async def test_an_unknown_role_has_nothing(rig: Rig, role: str) -> None:
    with refusal(403):
        await rig.browser(role, "health", session="s").ask(rig.of("health"))


def test_no_role_is_shown_a_student_number() -> None:
    assert all(set(role.shows) <= {"name", "class"} for role in default_roles().values())


async def test_a_class_teacher_has_the_own_class_only(rig: Rig) -> None:
    ada, ben = rig.of("health"), rig.of("health", rig.ben)
    own = rig.browser("class_teacher", "health", classes=("3-2",))
    assert list(await own.ask(ada, ben)) == [ada]
    for classes in (None, ()):
        with refusal(403, "no class"):
            await rig.browser("class_teacher", "health", classes=classes).ask(ada)


async def test_a_pe_teacher_has_names_during_the_lesson_only(rig: Rig) -> None:
    # 08:00 on a Thursday in Shanghai.
    add_lesson(rig.vault, "3-2", 4, "08:10", "08:50")
    add_lesson(rig.vault, "4-1", 4, "08:00", "09:50", subject="music")
    ada, ben = rig.of("sport"), rig.of("sport", rig.ben)
    teacher = rig.browser("pe_teacher", "sport", classes=("3-2", "4-1"))
    for minutes, allowed in ((0, False), (4.9, False), (0.1, True), (30, True), (19.9, True), (0.1, False)):
        rig.clock.go_on(minutes)
        if allowed:
            assert list(await teacher.ask(ada, ben)) == [ada]
        else:
            with refusal(403, "PE"):
                await teacher.ask(ada)
    rig.clock.go_on(7 * 24 * 60 - 30)
    other = rig.browser("pe_teacher", "sport", classes=("4-1",), session="other")
    with refusal(403, "PE"):
        await other.ask(ada)


async def test_break_glass_opens_sport_outside_of_a_lesson(rig: Rig) -> None:
    teacher = rig.browser("pe_teacher", "sport", classes=("3-2",))
    await teacher.break_glass("sport")
    assert list(await teacher.ask(rig.of("sport"), rig.of("sport", rig.ben))) == [rig.of("sport")]


async def test_an_epoch_that_was_closed_leads_nowhere_but_for_kept_cases(rig: Rig) -> None:
    nurse = rig.browser("nurse", "health")
    with rig.vault.begin() as connection:
        old = current_epoch(connection)
        begin_epoch(connection, "2027-28", NOW_MS)
        bump(connection)
    before = rig.of("health", rig.ada, old), rig.of("health", rig.ben, old)
    assert len(await nurse.ask(*before, rig.of("health"))) == 3
    with rig.vault.begin() as connection:
        assert keep_case(rig.vault, connection, before[0], "health") == rig.ada
        close_epoch(connection, old)
        bump(connection)
    assert list(await nurse.ask(*before)) == [before[0]]
    # A kept case is one purpose's.
    assert await rig.browser("nurse", "safety").ask(before[0]) == {}


async def test_changes_count_at_once(rig: Rig) -> None:
    nurse, ada = rig.browser("nurse", "health"), rig.of("health")
    await nurse.ask(ada)
    with rig.vault.begin() as connection:
        pupil = get_pupil(rig.vault, connection, rig.ada)
        assert pupil is not None
        changed = msgspec.structs.replace(pupil.details, name="示例生甲")
        change_pupil(rig.vault, connection, rig.ada, details=changed)
    assert await nurse.ask(ada) == {ada: "示例生甲"}
    with rig.vault.begin() as connection:
        remove_pupil(connection, rig.ada)
    assert await nurse.ask(ada) == {}


async def test_a_damaged_name_takes_no_other_with_it(rig: Rig) -> None:
    with rig.vault.begin() as connection:
        connection.execute(
            update(tables.pupils).where(tables.pupils.c.id == rig.ada).values(sealed=b"rubbish")
        )
    ben = rig.of("health", rig.ben)
    assert list(await rig.browser("nurse", "health").ask(rig.of("health"), ben)) == [ben]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"{", b'{"pseudonyms":1}', b"[" * 50_000, b"\xff", b'{"pseudonyms":[],"x":1}']
)
async def test_a_question_that_is_none(rig: Rig, body: bytes) -> None:
    token = rig.browser("nurse", "health").token()
    with refusal(422):
        await rig.desk.resolve(token, body)
    with refusal(422):
        await rig.desk.break_glass(token, body)


async def test_more_than_200_at_once_are_refused(rig: Rig) -> None:
    nurse = rig.browser("nurse", "health")
    assert await nurse.ask(*["0" * 26] * NAMES_AT_ONCE_MAX) == {}
    with refusal(422, "200"):
        await nurse.ask(*["0" * 26] * (NAMES_AT_ONCE_MAX + 1))
    assert await nurse.ask() == {}


async def test_tokens_that_do_not_count(rig: Rig) -> None:
    body = msgspec.json.encode({"pseudonyms": [rig.of("health")]})
    stranger = Browser(rig.desk, rig.clock, "nurse", "health", key=Ed25519PrivateKey.generate())
    elsewhere = Browser(rig.desk, rig.clock, "nurse", "health", school="another-school")
    good = rig.browser("nurse", "health").token()
    for token in (stranger.token(), elsewhere.token(), "", "x.y", "é.é", good[:-4], good + "A"):
        with refusal(401):
            await rig.desk.resolve(token, body)
    rig.clock.go_on(5)
    with refusal(401, "expired"):
        await rig.desk.resolve(good, body)
    rig.clock.go_on(-20)
    with refusal(401, "future"):
        await rig.desk.resolve(good, body)
    assert rows_of(rig.vault, "resolve") == []
    nobody = NamesDesk(rig.vault, None)
    with refusal(401, "collector"):
        await nobody.resolve(good, body)


async def test_guessing_locks_the_session_and_no_other(rig: Rig) -> None:
    nurse, ada = rig.browser("nurse", "health"), rig.of("health")
    guesses = [f"{number:026d}" for number in range(UNKNOWN_MAX + 1)]
    await nurse.ask(*guesses[:UNKNOWN_MAX])
    await nurse.ask(*guesses[:UNKNOWN_MAX], ada)  # the same again costs nothing
    with refusal(429) as found:
        await nurse.ask(guesses[-1], ada)
    assert found.value.retry_after_s == 600
    with refusal(429):
        await nurse.ask(ada)
    with refusal(429):
        await nurse.break_glass("sport")
    assert len(await rig.browser("nurse", "health", session="another").ask(ada)) == 1
    (row,) = rows_of(rig.vault, "session_locked")
    assert row.detail == '{"excess":"unknown","role":"nurse"}'
    rig.clock.go_on(10)
    assert len(await nurse.ask(ada)) == 1


async def test_reading_out_the_school_locks_the_session(rig: Rig) -> None:
    pacing = Pacing(rig.clock.monotonic_s)
    assert pacing.count("s", map(str, range(NAMES_MAX)), ()) is None
    assert pacing.count("s", map(str, range(NAMES_MAX)), ()) is None
    assert pacing.count("s", ["one more"], ()) == "names"
    assert pacing.locked_for_s("s") == 600
    rig.clock.go_on(10)
    assert pacing.locked_for_s("s") == 0
    assert pacing.count("s", ["one more"], ()) is None


async def test_what_was_asked_ten_minutes_ago_does_not_count(rig: Rig) -> None:
    pacing = Pacing(rig.clock.monotonic_s)
    for start in range(0, 4 * NAMES_MAX, NAMES_MAX):
        assert pacing.count("s", map(str, range(start, start + NAMES_MAX)), ()) is None
        rig.clock.go_on(10.1)


async def test_everybody_together_is_bounded(rig: Rig) -> None:
    desk, ada = rig.new_desk(), rig.of("health")
    for at in range(EVERYBODY_MAX // 200):
        assert desk._pacing.busy_for_s(200) == 0, at
    nurse = Browser(desk, rig.clock, "nurse", "health")
    with refusal(429):
        await nurse.ask(ada)
    rig.clock.go_on(1)
    assert len(await nurse.ask(ada)) == 1


async def test_sessions_beyond_the_table_wait(rig: Rig) -> None:
    ada = rig.of("health")
    for at in range(SESSIONS_MAX):
        rig.desk._pacing.count(f"s{at}", [ada], ())
    late = rig.browser("nurse", "health", session="late")
    with refusal(429):
        await late.ask(ada)
    rig.clock.go_on(10.1)
    assert len(await late.ask(ada)) == 1
    assert len(rig.desk._pacing._sessions) == 1


async def test_a_page_that_asks_in_vain_for_ever_does_not_fill_the_audit(rig: Rig) -> None:
    canteen = rig.browser("canteen", "health")
    for _ in range(30):
        with refusal(403):
            await canteen.ask(rig.of("health"))
    assert len(rows_of(rig.vault, "resolve_refused")) == 20


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 900)), st.lists(st.integers(0, 90))))
)
def test_the_tables_stay_bounded(asked: list[tuple[str, list[int], list[int]]]) -> None:
    pacing = Pacing(lambda: 0.0)
    for session, known, unknown in asked:
        pacing.count(session, map(str, known[:200]), (f"{one:0>500}" for one in unknown[:200]))
        one = pacing._sessions[session]
        assert len(one.known) <= NAMES_MAX
        assert len(one.unknown) <= UNKNOWN_MAX
        assert all(len(text) <= 32 for text in one.unknown)


@pytest.mark.parametrize(
    ("role", "purpose"),
    [("canteen", "health"), ("district", "safety"), ("facilities", "health"), ("nurse", "health")],
)
async def test_break_glass_is_not_open_to_all(rig: Rig, role: str, purpose: Purpose) -> None:
    with refusal(403):
        await rig.browser(role, "safety").break_glass(purpose)


async def test_no_grant_that_would_open_nothing(rig: Rig) -> None:
    with refusal(403):
        await rig.browser("class_teacher", "health").break_glass("access")
    with rig.vault.begin() as connection:
        assert unreviewed(rig.vault, connection) == []


async def test_a_grant_is_of_one_session_and_purpose(rig: Rig) -> None:
    facilities = rig.browser("facilities", "safety")
    await facilities.break_glass("safety")
    assert len(await facilities.ask(rig.of("safety"))) == 1
    for other in (
        rig.browser("facilities", "safety", session="another"),
        rig.browser("facilities", "health"),
        rig.browser("district", "safety", session="facilities-1"),
    ):
        with refusal(403):
            await other.ask(rig.of("safety"))


async def test_a_grant_opens_its_purpose_to_the_token_one_has(rig: Rig) -> None:
    nurse = rig.browser("nurse", "health")
    await nurse.break_glass("access")
    assert len(await nurse.ask(rig.of("access"), purpose="access")) == 1
    assert len(await nurse.ask(rig.of("health"))) == 1


async def test_an_objection_ends_the_grant(rig: Rig) -> None:
    facilities = rig.browser("facilities", "safety")
    grant = (await facilities.break_glass("safety")).grant
    with rig.vault.begin() as connection:
        assert review(rig.vault, connection, grant, accepted=False, reviewer="李老师", actor="command:x")
        assert not review(rig.vault, connection, grant, accepted=True, reviewer="李老师", actor="command:x")
        assert unreviewed(rig.vault, connection) == []
    with refusal(403):
        await facilities.ask(rig.of("safety"))
    (row,) = rows_of(rig.vault, "break_glass_review")
    assert "李老师" not in row.detail


async def test_grants_are_as_many_as_can_be_reviewed(rig: Rig) -> None:
    facilities = rig.browser("facilities", "safety")
    for _ in range(10):
        await facilities.break_glass("safety")
    with refusal(429):
        await facilities.break_glass("safety")
    rig.clock.go_on(61)
    await facilities.break_glass("safety")


async def test_a_reason_that_was_damaged_does_not_hide_the_grant(rig: Rig) -> None:
    await rig.browser("facilities", "safety").break_glass("safety")
    with rig.vault.begin() as connection:
        connection.execute(update(tables.break_glass).values(sealed=b"?"))
        (waiting,) = unreviewed(rig.vault, connection)
    assert waiting.reason is None


@pytest.mark.parametrize("shown", [repr, str])
async def test_nothing_that_is_logged_shows_a_name(rig: Rig, shown: Callable[[object], str]) -> None:
    nurse = rig.browser("nurse", "health")
    answer = await rig.desk.resolve(nurse.token(), msgspec.json.encode({"pseudonyms": [rig.of("health")]}))
    await rig.browser("facilities", "safety").break_glass("safety")
    with rig.vault.begin() as connection:
        things = [answer, *answer.people.values(), *unreviewed(rig.vault, connection)]
    assert all("示例生" not in shown(thing) and REASON not in shown(thing) for thing in things)


async def test_a_token_of_a_session_with_control_characters_is_taken(any_vault: Vault) -> None:
    ada = add_somebody(any_vault, 1)
    desk = NamesDesk(any_vault, COLLECTOR.public_key())
    claims = Claims(FORMAT, SCHOOL, "nurse", "health", "\n\x1b[31m", NOW_MS, NOW_MS + 60_000)
    body = msgspec.json.encode({"pseudonyms": [pseudonym(any_vault, "health", ada)]})
    assert len((await desk.resolve(mint(claims, COLLECTOR), body)).people) == 1
    (row,) = rows_of(any_vault, "resolve")
    assert row.actor == "session:??[31m"
