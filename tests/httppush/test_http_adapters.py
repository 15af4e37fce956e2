"""The adapters: what they read, and that nothing makes them fail."""

from __future__ import annotations

import contextlib
import hashlib  # noqa: TID251  # the digest scheme of RFC 7616
import json
import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.http_push import EVENTS_REMEMBERED_MAX, HttpDecoder, bind_http, parse_body
from device_profiles.parsing import DecodeError
from device_profiles.registry import Catalogue
from edge_agent.drivers.http_push.bodies import body_for
from edge_agent.drivers.http_push.digest import NONCE_LIFE_S, REALM, Digest, Verdict
from edge_agent.drivers.http_push.peers import DELAY_S_MAX, FORGET_S, PEERS_MAX, Peers
from simulators.http_push.forms import Form, Part
from telemetry.credential_map import normalise_credential, normalise_identifier
from telemetry.readings import Chunk, SeriesTable

CATALOGUE = Catalogue()
ZONE = ZoneInfo("Asia/Shanghai")
RECEIVED_MS = 1_790_000_000_000
KEYS = st.sampled_from(
    ["eventType", "AccessControllerEvent", "faceCapture", "faces", "majorEventType", "subEventType", "doorNo",
     "serialNo", "frontSerialNo", "currentEvent", "cardNo", "employeeNoString", "currTemperature",
     "thermometryUnit", "isAbnomalTemperature", "dateTime", "AcsEvent", "InfoList", "major", "minor", "time",
     "temperature_data", "open_userid", "user_type", "temperature", "timestamp", "status", "body", "item",
     "EventNotificationAlert", "x"]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["AccessControllerEvent", "faceCapture", "5", "75", "36.7", "fahrenheit", "true", "0"])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8)
)


def decoder(name: str = "hikvision/isapi", **options: Any) -> HttpDecoder:
    return bind_http(
        CATALOGUE.get(name), device="gate-1", place="main/gate", table=SeriesTable(), zone=ZONE, **options
    )


def event(**told: Any) -> dict[str, Any]:
    return {
        "dateTime": "2026-09-21T22:13:20+08:00",
        "eventType": "AccessControllerEvent",
        "AccessControllerEvent": {"majorEventType": 5, "subEventType": 1} | told,
    }


@pytest.mark.parametrize("name", ["hikvision/isapi", "wecom/temperature", "json/environment-http"])
@given(payload=VALUES)
def test_no_json_makes_a_decoder_fail(name: str, payload: object) -> None:
    found = decoder(name).decode(payload, RECEIVED_MS, chunk := Chunk())
    assert all(10 <= check.temperature_c <= 60 for check in found.checks)
    assert len(chunk) <= 4


@given(data=st.binary(max_size=400) | st.text(max_size=200).map(lambda text: f"<a>{text}</a>".encode()))
def test_no_body_makes_the_parser_fail(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        parse_body(data)


@given(parts=st.lists(st.binary(max_size=60), max_size=3), cuts=st.lists(st.integers(0, 400), max_size=5),
       kind=st.sampled_from(["application/json", "image/jpeg", ""]))  # fmt: skip
def test_a_form_is_read_however_it_is_cut(parts: list[bytes], cuts: list[int], kind: str) -> None:
    form = Form([Part("event_log", kind, part) for part in parts])
    body = body_for(form.content_type)
    ends = sorted({*cuts, len(form.body)})
    for start, end in zip([0, *ends], ends, strict=False):
        body.feed(form.body[start:end])
    body.finish()
    if any(b"--MIME_boundary" in part for part in parts) or not parts:
        return
    assert body.problem == ""
    assert body.texts == ([] if kind == "image/jpeg" else parts)
    assert body.pictures == (len(parts) if kind == "image/jpeg" else 0)


@given(data=st.binary(max_size=400), kind=st.text(st.characters(max_codepoint=255), max_size=40))
def test_no_form_makes_the_reader_fail(data: bytes, kind: str) -> None:
    for content_type in ("multipart/form-data; boundary=b", f"multipart/mixed; {kind}", kind):
        body = body_for(content_type)
        body.feed(data)
        body.finish()


def test_texts_of_a_form_are_bounded() -> None:
    body = body_for("multipart/form-data; boundary=MIME_boundary")
    body.feed(Form([Part("a", "text/plain", b"x" * 40_000), Part("b", "text/plain", b"x" * 40_000)]).body)
    assert (body.problem, len(body.texts)) == ("too_large", 1)
    many = body_for("multipart/form-data; boundary=MIME_boundary")
    many.feed(Form([Part("a", "image/jpeg", b"x")] * 40).body)
    assert many.problem == "too_many_parts"


@pytest.mark.parametrize(
    ("told", "temperature_c", "refused"),
    [
        ({"currTemperature": 36.6}, 36.6, ()),
        ({"currTemperature": "36.6", "thermometryUnit": "Celsius"}, 36.6, ()),
        ({"currTemperature": 98.6, "thermometryUnit": "fahrenheit"}, 37.0, ()),
        ({"currTemperature": 310.15, "thermometryUnit": "kelvin"}, 37.0, ()),
        ({"currTemperature": 36.6, "thermometryUnit": "reaumur"}, None, ("unknown_unit",)),
        ({"currTemperature": 98.6}, None, ("temperature_impossible",)),
        ({"currTemperature": "warm"}, None, ("not_a_number",)),
        ({"currTemperature": 0}, None, ()),
        ({"currTemperature": 36.6, "faceSnapThermometryEnabled": "false"}, None, ()),
    ],
)
def test_temperatures(told: dict[str, Any], temperature_c: float | None, refused: tuple[str, ...]) -> None:
    found = decoder().decode(event(cardNo="78820124", **told), RECEIVED_MS, Chunk())
    assert found.refused == refused
    assert [check.temperature_c for check in found.checks] == ([temperature_c] if temperature_c else [])


@pytest.mark.parametrize(
    ("told", "notation", "credential", "refused"),
    [
        ({"cardNo": "78820124"}, None, "04B2B31C", ()),
        ({"cardNo": 78820124}, None, "04B2B31C", ()),
        ({"cardNo": "78820124"}, "decimal-reversed", "1CB3B204", ()),
        ({"cardNo": "04B2B31C"}, "hex", "04B2B31C", ()),
        ({"cardNo": "04B2B31C", "employeeNoString": "7"}, None, "hikvision:7", ("bad_card",)),
        ({"cardNo": "", "employeeNoString": "4366"}, None, "hikvision:4366", ()),
        ({"cardNo": "0", "employeeNo": 4366}, None, "hikvision:4366", ()),
        ({"employeeNoString": "张三"}, None, None, ("bad_person",)),
        ({}, None, None, ()),
    ],
)
def test_credentials(
    told: dict[str, Any], notation: Any, credential: str | None, refused: tuple[str, ...]
) -> None:
    found = decoder(card_notation=notation).decode(event(**told), RECEIVED_MS, Chunk())
    assert [tap.credential for tap in found.taps] == [credential]
    assert found.refused == refused


def test_a_number_of_a_person_is_no_card() -> None:
    assert normalise_identifier("hikvision", " 4366 ") == "hikvision:4366"
    assert normalise_identifier("wecom", "4366") != normalise_identifier("hikvision", "4366")
    with pytest.raises(ValueError, match="hexadecimal"):
        normalise_credential(normalise_identifier("hikvision", "4366"))
    for text in ("", "a b", "名", "x" * 65):
        with pytest.raises(ValueError, match="ASCII"):
            normalise_identifier("hikvision", text)


def test_who_was_not_let_through_gives_no_tap() -> None:
    found = decoder().decode(event(subEventType=9, cardNo="78820124"), RECEIVED_MS, Chunk())
    assert (found.taps, found.refused) == ((), ("not_let_through",))


def test_events_are_remembered_within_a_bound() -> None:
    reader, chunk = decoder(), Chunk()
    for serial in range(EVENTS_REMEMBERED_MAX + 1):
        reader.decode(event(serialNo=serial), RECEIVED_MS, chunk)
    assert reader.decode(event(serialNo=1), RECEIVED_MS, chunk).refused == ("duplicate_event",)
    assert reader.decode(event(serialNo=0), RECEIVED_MS, chunk).refused == ()


def test_while_the_gateway_has_no_clock_history_is_of_no_use() -> None:
    found = decoder().decode(
        event(cardNo="78820124", currentEvent=False), RECEIVED_MS, Chunk(), trust_device_time=False
    )
    assert (found.taps, found.refused) == ((), ("replayed_without_time",))


def test_more_people_than_a_call_may_hold_are_left_out() -> None:
    records = [{"open_userid": f"wo-{number}", "temperature": "36.5"} for number in range(103)]
    found = decoder("wecom/temperature").decode({"temperature_data": records}, RECEIVED_MS, Chunk())
    assert (len(found.checks), found.refused) == (100, ("too_many_events",) * 3)


def test_what_speaks_to_wecom_directly_is_read_too() -> None:
    one = {"cmd": "report_user_temperature", "body": {"userid": "wo-1", "temperature": "37.9", "status": 1}}
    many = {"cmd": "async_batch_report_user_temperature", "body": {"item": [one["body"]]}}
    for payload in (one, many):
        found = decoder("wecom/temperature").decode(payload, RECEIVED_MS, Chunk())
        assert [(check.credential, check.temperature_c) for check in found.checks] == [("wecom:wo-1", 37.9)]


def test_pictures_and_faces_are_nowhere_in_what_is_told() -> None:
    payload = event(
        cardNo="78820124",
        name="somebody",
        pictureURL="http://192.0.2.7/face.jpg",
        FaceRect={"x": 0.5},
        mask="no",
    )
    told, _ = decoder().events(payload)
    assert set(told[0].values) == {"event", "card_number"}
    assert "somebody" not in repr(told)


def test_xml_says_the_same_as_json() -> None:
    told = {"cardNo": "78820124", "doorNo": "1", "currTemperature": "36.6", "serialNo": "7"}
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
    xml = (
        '<?xml version="1.0"?><n:EventNotificationAlert xmlns:n="urn:x"><dateTime>2026-09-21T22:13:20+08:00'
        "</dateTime><eventType>AccessControllerEvent</eventType><AccessControllerEvent>"
        f"<majorEventType>5</majorEventType><subEventType>1</subEventType>{inside}"
        "</AccessControllerEvent></n:EventNotificationAlert>"
    )
    found = [
        decoder().decode(parse_body(body), RECEIVED_MS, Chunk())
        for body in (xml.encode(), json.dumps(event(**told)).encode())
    ]
    assert found[0] == found[1]
    assert len(found[0].checks) == len(found[0].taps) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<a>" * 40 + b"</a>" * 40, "too_deep"),
        (b"<a>" + b"<b/>" * 5_000 + b"</a>", "too_large"),
        (b"<a>" + b"x" * 70_000 + b"</a>", "too_large"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><a/>', "document_type"),
        (b"<a>&unknown;</a>", "not_xml"),
        (b'<?xml version="1.0" encoding="x-odd"?><a/>', "not_xml"),
    ],
)
def test_xml_is_bounded_and_has_no_entities(body: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        parse_body(body)
    assert caught.value.reason == reason


def test_failures_are_slowed_and_forgotten() -> None:
    now_s = 0.0
    peers = Peers(10, 2, lambda: now_s)
    delays = [peers.failed("a") for _ in range(8)]
    assert delays[:3] == [0.25, 0.5, 1.0]
    assert delays[-1] == DELAY_S_MAX
    assert peers.failed("b") == 0.25
    now_s += FORGET_S + 1
    assert peers.failed("a") == 0.25
    peers.succeeded("a")
    assert peers.failed("a") == 0.25
    for number in range(PEERS_MAX + 5):
        peers.failed(f"peer-{number}")
    assert [peers.admit("a") for _ in range(3)] == [True, True, False]


def answer(challenge: bytes, password: str, count: int = 1, target: str = "/gate-1") -> str:
    """As RFC 7616, section 3.4, has it."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    nonce = re.findall(r'nonce="([^"]+)"', challenge.decode())[0]
    secret = md5(f"terminal:{REALM}:{password}")
    response = md5(f"{secret}:{nonce}:{count:08x}:mine:auth:{md5(f'POST:{target}')}")
    return (
        f'username="terminal", realm="{REALM}", nonce="{nonce}", uri="{target}", qop=auth, '
        f'nc={count:08x}, cnonce="mine", response="{response}", algorithm=MD5'
    )


def test_a_nonce_is_of_use_for_a_while_and_each_count_once() -> None:
    now_s = 5_000.0
    digest = Digest(lambda: now_s)

    def judge(text: str, target: str = "/gate-1", by: Digest = digest) -> Verdict:
        return by.judge(text, "POST", target, "terminal", "correct horse")

    challenge = digest.challenge()
    assert judge(answer(challenge, "correct horse")) is Verdict.GOOD
    assert judge(answer(challenge, "correct horse")) is Verdict.STALE, "a replay"
    assert judge(answer(challenge, "correct horse", 7)) is Verdict.GOOD
    assert judge(answer(challenge, "correct horse", 6)) is Verdict.STALE
    assert judge(answer(challenge, "wrong horse", 8)) is Verdict.WRONG
    assert judge(answer(challenge, "correct horse", 8), "/gate-2") is Verdict.WRONG, "of another address"
    assert judge(answer(challenge, "correct horse", 8), by=Digest()) is Verdict.STALE, "after a restart"
    now_s += NONCE_LIFE_S + 1
    assert judge(answer(challenge, "correct horse", 9)) is Verdict.STALE
    assert b"stale=true" in digest.challenge(stale=True)


@given(text=st.text(max_size=300))
def test_no_authorization_makes_a_digest_fail(text: str) -> None:
    assert Digest().judge(text, "POST", "/", "terminal", "correct horse") is Verdict.WRONG


@given(nonce=st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs"]), max_size=80))
def test_no_nonce_makes_a_digest_fail(nonce: str) -> None:
    shown = answer(f'nonce="{nonce or 0}"'.encode(), "correct horse")
    assert Digest().judge(shown, "POST", "/gate-1", "terminal", "correct horse") is not Verdict.GOOD
