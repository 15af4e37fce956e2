"""The enrolment of this gateway: everything is made and checked first, then put in use by one rename.

The code can be used once. So what can be found out without it, files that cannot be written and a clock that
is wrong among them, is found out before it is sent.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.enrolment.certificates import Certificate, check_certificate
from edge_agent.enrolment.contact import (
    EnrolmentAwayError,
    EnrolmentRefusedError,
    FirstContact,
    checked,
    make_question,
)
from edge_agent.enrolment.folder import forget_folder, prepare_folder
from edge_agent.enrolment.gateway_file import GatewayFile
from edge_agent.enrolment.keyset import KeySet, KeySets, new_sets, unfinished_sets
from foundation.commands import UsageError
from foundation.httppost import Target
from foundation.keyfiles import (
    KeyFileError,
    load_signing_key,
    public_text,
)
from foundation.tomlfile import FileProblems
from telemetry import enrolment
from telemetry.enrolment import Answer, Endpoint, Question
from telemetry.topics import IDENTIFIER

ATTEMPTS: Final = 3
AGAIN_S: Final = 1.0

Say = Callable[[str], None]


class Enrolled(NamedTuple):
    """What came of it. kept_devices: there was a file before, of which a copy is kept. vault_word: what the
    vault has to do with this gateway's key, empty if nothing. left: what another gateway, whose file it was, has
    not sent. old_key: that of the file before, if it can be read.
    """

    answer: Answer
    certificate: Certificate
    public_key: str
    path: Path
    kept_devices: bool
    other_vault: bool
    vault_word: str
    left: Path | None
    old_key: Ed25519PrivateKey | None


class _Keys(NamedTuple):
    """What this enrolment asks a certificate for."""

    sets: KeySets
    files: KeySet
    signing_key: Ed25519PrivateKey
    tls_key: ec.EllipticCurvePrivateKey

    @classmethod
    def resumed(cls, file: GatewayFile, *, keep_key: bool) -> Self | None:
        """Those of an enrolment that was cut off: the collector may know them, and its code be used."""
        sets = unfinished_sets(file.folder / "keys", file.named_sets())
        if sets is None:
            return None
        files = sets.first
        try:
            found = cls(sets, files, load_signing_key(files.signing_key), files.load_tls_key())
        except KeyFileError:
            return None
        kept = file.signing_key is not None and _same_key(file.signing_key, found.signing_key)
        return found if kept == keep_key else None

    @classmethod
    def made(cls, file: GatewayFile, *, keep_key: bool) -> Self:
        """Raises UsageError and KeyFileError."""
        old_key = _key_to_keep(file) if keep_key else None
        sets = new_sets(file.folder / "keys", file.named_sets())
        files = sets.stage()
        return cls(sets, files, files.make_signing_key(old_key), files.create_tls_key())


async def enrol(
    target: Target,
    code: str,
    folder: Path,
    *,
    ca_file: Path | None,
    keep_key: bool,
    now: Callable[[], dt.datetime],
    say: Say,
) -> Enrolled:
    """Writes keys, certificates and gateway.toml into `folder`.

    Raises EnrolmentRefusedError, EnrolmentAwayError, UsageError, FileProblems or KeyFileError; then nothing
    is in use that was not before.
    """
    if made := prepare_folder(folder):
        say(f"新建文件夹 folder made: {made}")
    try:
        return await _enrol(target, code, GatewayFile(folder), ca_file, keep_key=keep_key, now=now, say=say)
    except EnrolmentAwayError:
        raise  # perhaps only the answer did not come: the same keys with the same code will get it
    except BaseException:
        if made:
            forget_folder(made)
        raise


async def _enrol(
    target: Target,
    code: str,
    file: GatewayFile,
    ca_file: Path | None,
    *,
    keep_key: bool,
    now: Callable[[], dt.datetime],
    say: Say,
) -> Enrolled:
    if file.identity:
        say(
            f"此处已有网关 there is a gateway here already, replaced when all is good: {file.identity} ({file.path})"
        )
    named, old_key = file.named_sets(), _old_key(file)
    keys = _Keys.resumed(file, keep_key=keep_key) or _Keys.made(file, keep_key=keep_key)
    try:
        # What the program will not take is better found out while the code is good.
        public_key = keys.signing_key.public_key()
        file.check(file.text(_placeholder(public_text(public_key)), keys.sets))
        say("密钥已就绪 keys made, readable by this user only")

        question = make_question(public_key, keys.tls_key, f"campus-pulse {version('campus-pulse')}")
        with closing(FirstContact(target, ca_file)) as contact:
            say(f"连接 {target.host}:{target.port} connecting …")
            fingerprint = await contact.meet(now())
            if fingerprint:
                say(f"采集端出示的证书 certificate shown: SHA-256 {fingerprint.hex(':', 2).upper()}")
            answer = await _ask(contact, question, enrolment.code_key(code), fingerprint, say)
        checked(_check_names, answer)
        certificate = checked(check_certificate, answer, keys.tls_key)
        say("采集端已接受，证书已核对 the collector has accepted this gateway; its certificate is good")

        text = file.text(answer, keys.sets)
        try:
            file.check(text)
        except FileProblems as error:
            raise EnrolmentRefusedError(
                f"采集端给出的设置不可用 what the collector answered cannot be used as settings: {error}; put its "
                "[enrolment] right, and have a new code shown there"
            ) from error
        keys.files.write_certificates(answer.certificate, answer.authority)
        keys.sets.put_in_use(keys.files)
        file.write(text)
        keys.sets.finish()
        for number in named - file.named_sets():  # only the copy that was overwritten has named them
            KeySets(file.folder / "keys" / number).remove()
    except EnrolmentAwayError:
        raise
    except BaseException:
        if keys.sets.folder.name not in file.named_sets():
            keys.sets.remove()
        raise
    return Enrolled(
        answer,
        certificate,
        public_text(public_key),
        file.path,
        file.exists,
        file.keeps_personal(answer),
        "" if keep_key else _vault_word(file, answer),
        file.left_behind(answer),
        old_key,
    )


async def _ask(
    contact: FirstContact, question: Question, code_key: bytes, fingerprint: bytes, say: Say
) -> Answer:
    """An answer may be lost on its way; the same question, with the same keys, gets it again."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await contact.ask(question, code_key, fingerprint)
        except EnrolmentAwayError as error:
            if error.later:
                raise
        say("没有收到回答，再问一次 no answer came, asking again …")
        await asyncio.sleep(AGAIN_S)
    return await contact.ask(question, code_key, fingerprint)


def _vault_word(file: GatewayFile, answer: Answer) -> str:
    if not (answer.vault or file.has_vault):
        return ""
    return "replace" if file.is_of(answer) else "add"


def _old_key(file: GatewayFile) -> Ed25519PrivateKey | None:
    try:
        return load_signing_key(file.signing_key) if file.signing_key else None
    except KeyFileError:
        return None


def _key_to_keep(file: GatewayFile) -> Path:
    found = file.signing_key
    if found is None:
        raise UsageError(f"--keep-key: {file.path} names no key yet; leave the option out")
    load_signing_key(found)
    return found


def _same_key(file: Path, key: Ed25519PrivateKey) -> bool:
    try:
        return load_signing_key(file).private_bytes_raw() == key.private_bytes_raw()
    except KeyFileError:
        return False


def _check_names(answer: Answer) -> None:
    for name in (answer.school, answer.gateway):
        if not IDENTIFIER.fullmatch(name):
            raise ValueError("a school or a gateway whose id is none")
    if answer.mqtt is None and answer.https is None:
        raise ValueError("no way to the collector in it")
    if (answer.vault is None) != (answer.vault_public_key is None):
        raise ValueError("a vault without its key, or a key without its vault")


def _placeholder(public_key: str) -> Answer:
    """An answer that has a good value everywhere."""
    return Answer(
        enrolment.FORMAT,
        b"",
        "school",
        "gateway",
        "Asia/Shanghai",
        public_key,
        "",
        "",
        0,
        Endpoint("localhost", 8883, "school/gateway"),
        "https://localhost:8421",
        "https://localhost:8443",
        public_key,
    )
