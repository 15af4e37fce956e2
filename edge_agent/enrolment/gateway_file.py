"""``gateway.toml`` as an enrolment writes it: a new one, or one in which only the tables about identity and
collector are other than before.
"""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from edge_agent.config import load_config
from edge_agent.enrolment.keyset import KeySets
from foundation.commands import UsageError
from foundation.tomlfile import FileProblems, Problem
from foundation.tomllines import headers
from foundation.tomltext import toml_value
from foundation.wholefile import write_whole
from telemetry.enrolment import Answer

NAME: Final = "gateway.toml"
BACKUP: Final = "gateway.toml.before-enrolment"
_TRIAL: Final = "gateway.toml.trial"
_OURS: Final = ("gateway", "collector")
_COMMENT_COLUMN: Final = 34
_HEAD: Final = """\
# 网关配置 a gateway's configuration, begun by `campus gateway enrol`. Paths are relative to this file's folder.
# Every setting is shown in edge_agent/gateway.sample.toml. Check it with:  campus edge check gateway.toml

"""
_TAIL: Final = """
# 设备 What this gateway reads. Devices may come from the collector (采集端下发), then nothing is to be written
# here. Or write them here, such as this one; for the other transports see the samples in edge_agent/drivers:
#
# [[mqtt]]
# name = "classrooms"
# broker = { host = "127.0.0.1" }
# devices = [{ id = "air-301", profile = "zigbee2mqtt/tuya-ts0601-air", place = "main/301" }]
"""


class GatewayFile:
    """The file in a folder, as it was found."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError for a file that cannot be read or is no TOML: what is in it must not be lost."""
        self.folder = folder
        self.path = folder / NAME
        self._before = _read(self.path)
        try:
            self._content: dict[str, Any] = tomllib.loads(self._before or "")
        except (ValueError, RecursionError):
            raise UsageError(
                f"{self.path} is no TOML and would be lost; repair it (campus edge check says where), or move "
                "it away"
            ) from None

    @property
    def exists(self) -> bool:
        return self._before is not None

    @property
    def identity(self) -> str:
        """School and id of the gateway that the file is of; empty for none."""
        gateway = self._of("gateway")
        return f"{gateway['school']}/{gateway['id']}" if {"school", "id"} <= gateway.keys() else ""

    @property
    def signing_key(self) -> Path | None:
        """The key that the file names."""
        name = self._of("gateway").get("key_file")
        return self.folder / name if isinstance(name, str) else None

    def named_sets(self) -> set[str]:
        """Enrolments whose keys this file, as it is now, its copy or another configuration beside it names."""
        texts = [_read(one) or "" for one in (*self.folder.glob("*.toml"), self.folder / BACKUP)]
        return {number for text in texts for number in re.findall(r"keys/(\d+)/", text)}

    def text(self, answer: Answer, sets: KeySets) -> str:
        """The file after an enrolment. Raises UsageError where it has a form that cannot be kept."""
        tables = "\n".join(self._tables(answer, sets))
        if self._before is None:
            return _HEAD + tables + _TAIL
        return _put_in(self._before, tables, self.path)

    def check(self, text: str) -> None:
        """Raises FileProblems where the program would not start with it."""
        trial = self.folder / _TRIAL
        try:
            write_whole(trial, text.encode())
            load_config(trial)
        except FileProblems as error:
            problems = [Problem(one.place.replace(_TRIAL, NAME), one.message) for one in error.problems]
            raise FileProblems(problems) from None
        finally:
            trial.unlink(missing_ok=True)

    def write(self, text: str) -> None:
        """In place of the file, of which a copy is kept. Raises UsageError."""
        try:
            mode = 0o644  # there is no secret in it
            if self._before is not None:
                mode = self.path.stat().st_mode & 0o777
                write_whole(self.folder / BACKUP, self._before.encode())
            write_whole(self.path, text.encode())
            self.path.chmod(mode)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror}") from error

    def is_of(self, answer: Answer) -> bool:
        """Whether the file was of this gateway before."""
        before = self._of("gateway")
        return (before.get("school"), before.get("id")) == (answer.school, answer.gateway)

    def data_dir(self, answer: Answer) -> str:
        """As it was, so that what waits is sent; a folder of its own for another gateway than before, in
        whose name it must not be.
        """
        found = self._of("gateway").get("data_dir")
        if not isinstance(found, str):
            return "data"
        return found if self.is_of(answer) else f"data-{answer.school}-{answer.gateway}"

    def left_behind(self, answer: Answer) -> Path | None:
        """The data folder of another gateway, which the file does not name any more."""
        found = self._of("gateway").get("data_dir")
        if not isinstance(found, str) or self.is_of(answer) or not (self.folder / found).is_dir():
            return None
        return self.folder / found

    @property
    def has_vault(self) -> bool:
        """Whether the file says one, whatever the collector answers."""
        return "personal" in self._content

    def keeps_personal(self, answer: Answer) -> bool:
        """Whether a vault of the file stands against another one of the answer."""
        before = self._content.get("personal")
        return isinstance(before, dict) and bool(answer.vault) and before.get("vault") != answer.vault

    def _of(self, *names: str) -> Mapping[str, Any]:
        found: Any = self._content
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def _tables(self, answer: Answer, sets: KeySets) -> Iterator[str]:
        current = sets.current.folder.relative_to(self.folder).as_posix()
        gateway, collector = self._of("gateway"), self._of("collector")
        ours = f"{current}/authority.pem"
        yield _table(
            "gateway",
            id=answer.gateway,
            school=answer.school,
            key_file=(f"{current}/signing.key", "made here; it never leaves this gateway"),
            data_dir=(self.data_dir(answer), "the buffer lives here"),
            timezone=(answer.timezone, "of devices that send a time without a zone"),
            clock=gateway.get("clock"),
        )
        yield _table(
            "collector",
            public_key=(answer.collector_public_key, "only its answers are believed"),
            https_after_s=collector.get("https_after_s"),
        )
        if answer.mqtt:
            yield _table(
                "collector.mqtt",
                host=answer.mqtt.host,
                port=answer.mqtt.port,
                ca_file=(ours, "the broker must be signed by this authority"),
                certificate_file=(
                    f"{current}/gateway.pem",
                    "renewed by itself in time" if answer.https else "",
                ),
                key_file=f"{current}/tls.key",
                keepalive_s=self._of("collector", "mqtt").get("keepalive_s"),
            )
        if answer.https:
            tls = answer.https.startswith("https:")
            yield _table(
                "collector.https",
                url=answer.https,
                ca_file=ours if tls else None,
                client_cert_file=f"{current}/gateway.pem" if tls else None,
                client_key_file=f"{current}/tls.key" if tls else None,
            )
        if answer.vault and "personal" not in self._content:
            yield (
                _table(
                    "personal",
                    vault=(answer.vault, "knows whose cards and bands these are"),
                    vault_public_key=answer.vault_public_key,
                )
                + '# ca_file = "vault-ca.pem"         # who signed its certificate, if the system does not know\n'
            )


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{path} cannot be read: {reason}") from None


def _table(name: str, **settings: Any) -> str:
    """Settings, some with a comment; those that are None are left out."""
    lines = [f"[{name}]"]
    for key, given in settings.items():
        value, comment = given if isinstance(given, tuple) else (given, "")
        if value is not None:
            line = f"{key} = {toml_value(value)}"
            lines.append(f"{line.ljust(_COMMENT_COLUMN)} # {comment}" if comment else line)
    return "".join(f"{line}\n" for line in lines)


def _put_in(before: str, tables: str, path: Path) -> str:
    """The text with its tables of ours replaced, everything else left as it stands."""
    lines = _lines(before)
    found = headers(before)
    starts = [_with_comments(lines, line - 1) for line, _ in found]
    parts = ["".join(lines[: starts[0]] if starts else lines)]
    parts += ["".join(lines[start:end]) for start, end in pairwise([*starts, len(lines)])]
    ours = [at + 1 for at, (_, names) in enumerate(found) if names[0] in _OURS]
    first = ours[0] if ours else len(parts)
    kept = [part for at, part in enumerate(parts) if at < first]
    rest = "".join(
        _comments_after(part) if first + at in ours else part for at, part in enumerate(parts[first:])
    )
    text = "".join(kept) + _gap(kept) + tables + ("\n" if rest and not rest.startswith("\n") else "") + rest
    if not _same_but_ours(before, text):
        raise UsageError(
            f"{path} says [gateway] or [collector] in a form that cannot be replaced without touching the rest; "
            "write them as tables of their own, or move the file away and copy the devices back afterwards"
        )
    return text


def _lines(text: str) -> list[str]:
    """As TOML counts them, each with its end: at a line feed and nowhere else."""
    return list(io.StringIO(text, newline="\n"))


def _with_comments(lines: list[str], at: int) -> int:
    """Where what belongs to a header begins: the comment lines right above it do."""
    while at > 0 and lines[at - 1].startswith("#"):
        at -= 1
    return at


def _comments_after(part: str) -> str:
    """The comments at the end of a table, among which may be devices that somebody has put there for later."""
    lines = _lines(part)
    at = len(lines)
    while at > 1 and (not lines[at - 1].strip() or lines[at - 1].lstrip().startswith("#")):
        at -= 1
    tail = "".join(lines[at:])
    return tail if tail.strip() else ""


def _gap(parts: list[str]) -> str:
    text = "".join(parts)
    if not text:
        return ""
    return "" if text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"


def _same_but_ours(before: str, after: str) -> bool:
    try:
        found = tomllib.loads(after)
    except ValueError:
        return False
    ignored = {*_OURS, "personal"}
    was = tomllib.loads(before)
    if "personal" in was and was["personal"] != found.get("personal"):
        return False
    return {key: one for key, one in was.items() if key not in ignored} == {
        key: one for key, one in found.items() if key not in ignored
    }
