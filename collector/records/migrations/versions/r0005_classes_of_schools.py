"""The classes of an account say of which school they are: ``3-2`` becomes ``example-primary/3-2``.

An account that sees certain schools has the class in each of them, as it had before; one that sees all has it
in each school with a gateway. Where there is none, nobody can tell which class was meant, and the account sees
none until an administrator writes it anew. Down: the codes alone, in all schools of the account.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_accounts = sa.table("accounts", sa.column("id"), sa.column("schools"), sa.column("classes"))
_gateways = sa.table("gateways", sa.column("school"))


def upgrade() -> None:
    _retype(sa.String(4000), sa.Text())
    everywhere = sorted(op.get_bind().scalars(sa.select(_gateways.c.school).distinct()))

    def with_school(classes: list[str], schools: list[str] | None) -> list[str]:
        return [f"{school}/{code}" for school in schools or everywhere for code in classes]

    _rewrite(with_school)


def downgrade() -> None:
    _rewrite(lambda classes, _: [one.partition("/")[2] for one in classes])
    _retype(sa.Text(), sa.String(4000))


def _retype(before: sa.types.TypeEngine[str], after: sa.types.TypeEngine[str]) -> None:
    with op.batch_alter_table("accounts") as batch:
        batch.alter_column("classes", existing_type=before, type_=after, existing_nullable=True)


def _rewrite(change: Callable[[list[str], list[str] | None], list[str]]) -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.select(_accounts).where(_accounts.c.classes.is_not(None))).all()
    for id_, schools, classes in rows:
        changed = change(json.loads(classes), None if schools is None else json.loads(schools))
        text = json.dumps(sorted(set(changed)), ensure_ascii=False, separators=(",", ":"))
        connection.execute(sa.update(_accounts).where(_accounts.c.id == id_).values(classes=text))
