"""Statement 11: inside the school k ≥ 5, with complementary suppression; here, of joins in the vault."""

from __future__ import annotations

from pathlib import Path

import pytest

from identity_vault.audit import find
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.vault import Vault
from telemetry.exchange import Exposure
from telemetry.purposes import Purpose
from tests.vault.exchange_parts import ask_join, vault_with_collector
from tests.vault.vault_parts import NOW_MS, add_somebody

EPOCH = "2026-27"
HIDDEN = Exposure(None, None, None)


class School:
    """Forty invented pupils, and a collector that knows them by pseudonyms only."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.desk = ExchangeDesk(vault)
        self.ids = [add_somebody(vault, number) for number in range(40)]

    def called(self, purpose: Purpose, *numbers: int) -> list[str]:
        return [self.vault.pseudonyms.make(purpose, EPOCH, self.ids[number]) for number in numbers]

    async def exposure(self, cases: range, exposed: range | list[int]) -> Exposure:
        answer = await ask_join(
            self.desk,
            self.vault,
            self.called("health", *cases),
            {"dish": self.called("nutrition", *exposed)},
        )
        assert not answer.refused
        return answer.exposures["dish"]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return vault_with_collector(tmp_path, [NOW_MS])


async def test_11_a_join_counts_nobody_among_fewer_than_five(vault: Vault) -> None:
    with vault:
        school = School(vault)
        assert await school.exposure(range(10), range(5, 30)) == Exposure(5, 5, 25)
        assert await school.exposure(range(10), range(5, 9)) == HIDDEN, "four exposed"
        assert await school.exposure(range(10), range(38)) == HIDDEN, "two who were not: complementary"
        assert await school.exposure(range(10, 14), range(5, 30)) == HIDDEN, "four cases"
        school.desk.close()


async def test_11_ends_of_a_count_are_coded(vault: Vault) -> None:
    with vault:
        school = School(vault)
        assert await school.exposure(range(10), range(30)) == Exposure(8, None, 30), "all: at least eight"
        assert await school.exposure(range(10), range(10, 20)) == Exposure(None, 8, 10), (
            "none: fewer than three"
        )
        school.desk.close()


async def test_11_padding_with_strangers_does_not_help(vault: Vault) -> None:
    with vault:
        school = School(vault)
        invented = [f"{number:026d}" for number in range(9)]
        answer = await ask_join(
            school.desk,
            vault,
            school.called("health", 1) + invented,
            {"dish": school.called("nutrition", *range(30))},
        )
        assert answer.refused == "too many pseudonyms that are unknown, or of another purpose"
        swapped = await ask_join(
            school.desk,
            vault,
            school.called("nutrition", *range(10)),
            {"dish": school.called("nutrition", 1)},
        )
        assert swapped.refused, "a pseudonym of another purpose is nobody's"
        school.desk.close()
        with vault.read() as connection:
            rows = find(connection, action="join_refused")
        assert len(rows) == 2
        assert all(school.ids[1] not in row.detail and row.pupil is None for row in rows), "counts only"
