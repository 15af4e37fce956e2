"""Errors in words: what kinds there are, their titles, and what is wrong with a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, Literal, get_args

from collector.text import Text

Kind = Literal[
    "unreadable",
    "signed-out",
    "not-allowed",
    "other-page",
    "past-proxy",
    "not-found",
    "no-accounts",
    "no-sign-in-service",
    "no-vault",
    "method-not-allowed",
    "conflict",
    "enrolment-by-hand",
    "invitation-refused",
    "changed-meanwhile",
    "too-large",
    "media-type",
    "other-name",
    "invalid",
    "answer-too-large",
    "too-many",
    "fault",
    "unavailable",
    "busy",
    "consent-unconfirmed",
    "other",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""What a program can tell problems by, whatever the language; none is ever given another meaning."""
TYPE: Final = "urn:campus-pulse:problem:"

OF_STATUS: Final[dict[int, Kind]] = {
    400: "unreadable", 401: "signed-out", 403: "not-allowed", 404: "not-found", 405: "method-not-allowed",
    409: "conflict", 412: "changed-meanwhile", 413: "too-large", 415: "media-type", 421: "other-name",
    422: "invalid", 429: "too-many", 500: "fault", 503: "unavailable",
}  # fmt: skip
_TITLES: Final = {
    400: Text("请求无法读取", "The request cannot be read"),
    401: Text("没有登录", "Nobody is signed in"),
    403: Text("没有权限", "Not allowed"),
    404: Text("没有找到", "Not found"),
    405: Text("不能这样操作", "Method not allowed"),
    409: Text("与现状不符", "It does not go with what there is"),
    412: Text("内容已被修改", "Changed meanwhile"),
    413: Text("内容太大", "Too large"),
    415: Text("不支持这种格式", "Kind of content not taken"),
    421: Text("访问地址不对", "Called by another name"),
    422: Text("内容有误", "Something is wrong"),
    429: Text("操作太频繁", "Too many requests"),
    500: Text("程序出错", "A fault of the program"),
    503: Text("暂时不能使用", "Not available now"),
}
_PLACES: Final = {
    "query": "查询参数",
    "path": "地址中的",
    "body": "提交内容中的",
    "header": "请求头",
    "cookie": "Cookie",
}
_WRONG: Final[dict[str, str]] = {
    "missing": "缺少",
    "extra_forbidden": "没有这个参数",
    "value_error": "不符合要求",
    "json_invalid": "不是有效的 JSON",
    "int_parsing": "应为整数",
    "int_type": "应为整数",
    "int_from_float": "应为整数",
    "int_parsing_size": "数字太大",
    "float_parsing": "应为数字",
    "bool_parsing": "应为 true 或 false",
    "bool_type": "应为 true 或 false",
    "string_type": "应为文字",
    "string_too_short": "至少 {min_length} 个字符",
    "string_too_long": "最多 {max_length} 个字符",
    "string_pattern_mismatch": "格式不对，应符合 {pattern}",
    "too_long": "最多 {max_length} 项",
    "too_short": "至少 {min_length} 项",
    "greater_than_equal": "不能小于 {ge}",
    "greater_than": "应大于 {gt}",
    "less_than_equal": "不能大于 {le}",
    "less_than": "应小于 {lt}",
    "literal_error": "应为其中之一：{expected}",
    "dict_type": "应为对象",
    "model_type": "应为对象",
    "model_attributes_type": "应为对象",
    "list_type": "应为列表",
}
"""What pydantic finds, by its error types; others are said in general."""


class UnfitError(ValueError):
    """A parameter that does not fit, said in both languages; `ValueError` for what checks parameters."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.words = Text(zh, en)


def title_of(status: int) -> Text:
    phrase = HTTPStatus(status).phrase
    return _TITLES.get(status, Text("请求没有成功", phrase))


def place_of(location: str, parameter: str, message: Text) -> Text:
    """What is wrong where."""
    zh = f"{_PLACES.get(location, location)} {parameter}：{message.zh}"
    return Text(zh, f"{location} parameter {parameter}: {message.en}")


def wrong_words(found: Mapping[str, Any]) -> Text:
    """One of pydantic's findings. Nothing of what was sent is in them."""
    context = found.get("ctx") or {}
    error = context.get("error")
    if isinstance(error, UnfitError):
        return error.words
    zh = _WRONG.get(found["type"], "不符合要求")
    try:
        zh = zh.format_map({**context, "expected": _in_chinese(context.get("expected", ""))})
    except KeyError:
        zh = "不符合要求"
    return Text(zh, str(found["msg"]).removeprefix("Value error, "))


def _in_chinese(value: object) -> str:
    """A list of values, as pydantic writes it."""
    return str(value).replace(" or ", "、").replace(", ", "、")
