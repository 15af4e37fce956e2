"""XML from devices as if it were JSON: bounded, without document types, entities or network.

An element with elements in it becomes an object, one with text a text, repeated ones an array; names
lose their prefix, attributes are left out.
"""

from __future__ import annotations

from typing import Any, Final
from xml.parsers import expat

from device_profiles.parsing import PAYLOAD_BYTES_MAX, DecodeError

DEPTH_MAX: Final = 16
ELEMENTS_MAX: Final = 4_000


class _Tree:
    """Builds the objects while the parser reads."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[tuple[str, dict[str, Any], list[str]]] = [("", self.root, [])]
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        del attributes
        self._elements += 1
        if len(self._open) > DEPTH_MAX:
            raise DecodeError("too_deep")
        if self._elements > ELEMENTS_MAX:
            raise DecodeError("too_large")
        self._open.append((name.rpartition(":")[2], {}, []))

    def end(self, _: str) -> None:
        name, children, texts = self._open.pop()
        value: Any = children or "".join(texts).strip()
        siblings = self._open[-1][1]
        if name not in siblings:
            siblings[name] = value
        elif isinstance(siblings[name], list):
            siblings[name].append(value)
        else:
            siblings[name] = [siblings[name], value]

    def text(self, text: str) -> None:
        self._open[-1][2].append(text)


def _refuse(*_: object) -> None:
    raise DecodeError("document_type")


def parse_xml(payload: bytes) -> dict[str, Any]:
    """The document as an object with one key, its root element's name.

    Raises DecodeError: "empty", "too_large", "too_deep", "not_xml", "document_type".
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise DecodeError("too_large")
    if not payload:
        raise DecodeError("empty")
    tree, parser = _Tree(), expat.ParserCreate()
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(payload, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError("not_xml") from None
    return tree.root
