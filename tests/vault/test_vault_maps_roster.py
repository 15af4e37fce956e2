"""A school in which everything changes at random: a gateway that takes changes has the whole map."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from sqlalchemy import Connection

from identity_vault import roster
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.exchange.rates import Rates
from identity_vault.exchange.registry import find_gateway
from identity_vault.maps.builder import build_map, derive_keys
from identity_vault.maps.history import Snapshots
from identity_vault.vault import Vault
from telemetry.credential_map import CredentialMap
from tests.vault.exchange_parts import Content, Gateway, content_of, vault_with_collector
from tests.vault.vault_parts import NOW_MS, SCHOOL, add_somebody

DAY_MS = 86_400_000


class School:
    """Invented pupils to whom things happen."""

    def __init__(self, vault: Vault, chance: random.Random) -> None:
        self.vault = vault
        self.chance = chance
        self.pupils = [add_somebody(vault, number) for number in range(8)]
        self.happen = (self.card, self.card, self.card, self.lose, self.agree, self.move, self.go, self.come)

    def something(self) -> None:
        with self.vault.begin() as connection:
            self.chance.choice(self.happen)(connection, self.chance.choice(self.pupils))
            roster.bump(connection)

    def card(self, connection: Connection, pupil: str) -> None:
        # Few bytes to choose from, so that many notations are of two pupils.
        number = bytes(self.chance.choices(range(3), k=4)).hex().upper()
        with contextlib.suppress(roster.TakenError):
            roster.add_credential(self.vault, connection, pupil, "card", number, 0)

    def lose(self, connection: Connection, pupil: str) -> None:
        held = roster.credentials_of(self.vault, connection, [pupil])
        roster.end_credentials(connection, [one.id for one in held], self.vault.now_ms())
        roster.withdraw_consent(connection, pupil, "sport", self.vault.now_ms())

    def agree(self, connection: Connection, pupil: str) -> None:
        until_ms = self.vault.now_ms() + self.chance.choice([1, DAY_MS])
        roster.give_consent(
            self.vault, connection, pupil, "sport",
            given_by="guardian", evidence="form", given_ms=0, until_ms=until_ms,
        )  # fmt: skip

    def move(self, connection: Connection, pupil: str) -> None:
        roster.put_class(connection, "4-1", "四（1）班", "Class 4-1")
        roster.change_pupil(self.vault, connection, pupil, class_id="4-1")

    def go(self, connection: Connection, pupil: str) -> None:
        roster.change_pupil(self.vault, connection, pupil, state="left")

    def come(self, connection: Connection, pupil: str) -> None:
        roster.change_pupil(self.vault, connection, pupil, state="active")


def whole_map(vault: Vault) -> Content:
    """What a gateway that lost its map would get now."""
    with vault.read() as connection:
        row = find_gateway(connection, "gw-1")
    assert row is not None
    snapshot, _ = Snapshots(vault).newest()
    update = build_map(
        snapshot, row.for_maps, derive_keys(vault.keys, row.for_maps, snapshot.epoch),
        school=SCHOOL, issued_ms=vault.now_ms(),
    )  # fmt: skip
    return content_of(CredentialMap.whole(update))


@pytest.mark.parametrize("seed", [1, 2])
async def test_changes_give_the_whole_map(tmp_path: Path, seed: int) -> None:
    chance, clock = random.Random(seed), [NOW_MS]
    with vault_with_collector(tmp_path, clock) as vault:
        desk = ExchangeDesk(vault, Rates(lambda: 0.0, askers_max=0))
        school, gateway = School(vault, chance), Gateway(vault, "gw-1", ("health", "sport"))
        changes = 0
        for at in range(30):
            for _ in range(chance.randint(1, 3)):
                school.something()
            if at == 20:
                with vault.begin() as connection:
                    roster.remove_pupil(connection, school.pupils.pop())
                    roster.bump(connection)
            clock.append(clock[-1] + chance.choice([0, 60_000, DAY_MS]))
            changes += bool((await gateway.ask(desk)).base)
            assert gateway.content == whole_map(vault)
        assert changes == 29, "all but the first were changes"
        assert len(gateway.content.credentials) > 20
        desk.close()
