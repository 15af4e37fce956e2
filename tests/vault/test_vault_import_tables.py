"""Lists as schools export them: encodings, workbooks, titles, cells; and errors that quote nobody."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridges.cards import to_decimal, to_facility
from foundation.tomlfile import FileProblems
from identity_vault.imports.allergens import ALLERGENS, allergen_code
from identity_vault.imports.cardnumbers import cards_of, hex_lengths
from identity_vault.imports.classes import class_of
from identity_vault.imports.folding import chinese_number
from identity_vault.imports.headers import Content, load_headers
from identity_vault.imports.problems import CellError, ImportProblems, Problems, RowProblem
from identity_vault.imports.roster_rows import NEEDED, RosterRow, read_rows, today_of
from identity_vault.imports.tables import COLUMNS_MAX, FILE_BYTES_MAX, ROWS_MAX, read_tables
from identity_vault.imports.values import date_of, phone_of, sex_of, student_number_of
from tests.vault.vault_parts import NOW_MS

HEADERS = load_headers()["roster"]
TODAY = today_of(NOW_MS, ZoneInfo("Asia/Shanghai"))
ROSTER = (
    "示例小学学生名单,,,,,,,,,,,,\n"
    "学籍号,姓 名,班级名称,出生日期,性别,监护人1姓名,监护人1电话,与学生关系1,校园卡号,手环地址,"
    "站点编号:hikvision,同意：晨检与健康,同意凭证\n"
    "g001,示例甲,三（２）班,2017/3/5,女,家长甲,154-0000-0001,母亲,0008844356,a4-c1-38-00-00-01,"
    "1001,2026-09-01,一号柜\n"
)


def located(data: bytes, name: str = "roster.csv") -> Content:
    return HEADERS.locate(read_tables(name, data), NEEDED)


def rows_of(data: bytes) -> list[RosterRow]:
    problems = Problems()
    rows = list(read_rows(located(data), TODAY, problems))
    problems.raise_if_any()
    return rows


def problems_of(data: bytes) -> list[RowProblem]:
    with pytest.raises(ImportProblems) as caught:
        rows_of(data)
    return list(caught.value.problems)


def workbook(*rows: Sequence[object], sheets: int = 1) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    for _ in range(sheets - 1):
        book.create_sheet().append(["说明"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_one_list_in_every_encoding_with_every_delimiter(encoding: str, delimiter: str) -> None:
    (row,) = rows_of(ROSTER.replace(",", delimiter).encode(encoding))
    assert (row.file, row.number, row.student_number, row.name) == ("roster.csv", 3, "G001", "示例甲")
    assert (row.school_class.id, row.school_class.zh) == ("3-2", "三（2）班")
    assert (row.birth_date, row.sex) == ("2017-03-05", "female")
    assert (row.cards, row.bands, row.stations) == (
        ("0086F444",),
        ("band:A4C138000001",),
        ("hikvision:1001",),
    )
    assert [(one.name, one.phone, one.relation) for one in row.guardians] == [
        ("家长甲", "15400000001", "母亲")
    ]
    (consent,) = row.consents
    assert consent == ("health", dt.date(2026, 9, 1), "guardian", "一号柜")
    assert (row.dormitory, row.allergens) == (None, None)
    assert "示例甲" not in repr(row)


def test_a_workbook_keeps_dates_and_numbers_and_tells_of_other_sheets() -> None:
    titles = ["序号", "学号", "姓名", "年级", "班级", "出生日期", "是否住宿", "宿舍", "过敏原", "卡号"]
    data = workbook(
        ["示例小学"],
        [],
        titles,
        [1, 20260001, "示例甲", "三年级", "2班", dt.date(2017, 3, 5), "否", "1 号楼", "无", 8844356],
        [
            2,
            20260002,
            "示例乙",
            "三年级",
            "（12）班",
            dt.datetime(2017, 3, 5),  # noqa: DTZ001  # as a workbook has it
            "是",
            "1 号楼",
            "花生、牛奶",
            "134,62532",
        ],
        sheets=3,
    )
    content = located(data, "名单.xlsx")
    assert (content.unused, content.unread_sheets) == (["序号"], 2)
    one, two = rows_of(data)
    assert (one.number, one.student_number, one.school_class.id, one.birth_date) == (
        4,
        "20260001",
        "3-2",
        "2017-03-05",
    )
    assert (one.dormitory, one.allergens, one.cards) == ("", (), ("0086F444",))
    assert (two.school_class.id, two.dormitory, two.allergens, two.cards) == (
        "3-12",
        "1 号楼",
        ("peanuts", "milk"),
        ("86F444",),
    )


SHORT = "学号,姓名,班级,出生日期\n"


@pytest.mark.parametrize(
    ("data", "place", "cause"),
    [
        (b"", 0, "is empty"),
        (b" \r\n", 0, "is empty"),
        (b",,\n,,\n", 0, "has no rows"),
        (ROSTER.encode("utf-16"), 0, "UTF-16"),
        (SHORT.encode() + b"1,\0,x\n", 2, "NUL"),
        (SHORT.encode() + b"1,\xff\xff\xff", 2, "neither UTF-8 nor GB18030"),
        ("學號,姓名,班級\n".encode("big5"), 1, "neither UTF-8 nor GB18030"),
        (b"\xef\xbb\xbf" + SHORT.encode("gb18030"), 1, "neither UTF-8 nor GB18030"),
        (SHORT.encode() + b'1,"x,y\n2,z\n', 2, "quotation mark"),
        ("1,示例甲,三1\n".encode(), 0, "first 10 rows"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 secret", 0, "password"),
        (b"PK\x03\x04 damaged", 0, "not a workbook"),
        (b"x" * (FILE_BYTES_MAX + 1), 0, "larger than"),
        ((SHORT + "x\n" * ROWS_MAX).encode(), 0, "rows"),
        ((SHORT + "," * COLUMNS_MAX + "x\n").encode(), 2, "columns"),
        ("学号,学号,姓名,班级\n1,1,x,三1\n".encode(), 0, "two columns"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(data: bytes, place: int, cause: str) -> None:
    (problem,) = problems_of(data)
    assert (problem.file, problem.row) == ("roster.csv", place)
    assert cause in problem.cause
    assert problem.remedy


def test_a_zip_that_is_no_workbook_is_refused() -> None:
    whole = workbook(["学号", "姓名", "班级"], [1, "x", "三1"])
    for cut in (100, len(whole) // 2, len(whole) - 10):
        (problem,) = problems_of(whole[:cut])
        assert "not a workbook" in problem.cause


def test_a_workbook_that_would_swell_is_refused_unread() -> None:
    """Its sheet is 40 MB of blanks in a file of 40 kB."""
    swollen = io.BytesIO()
    with zipfile.ZipFile(swollen, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/worksheets/sheet1.xml", " " * 40_000_000)
    assert len(swollen.getvalue()) < 100_000
    (problem,) = problems_of(swollen.getvalue())
    assert "unpacks to more than 32 MB" in problem.cause


@pytest.mark.parametrize(
    ("title", "cell", "cause"),
    [
        ("出生日期", "2015-02-30", "no calendar"),
        ("出生日期", "2099-01-01", "age outside 5 to 20"),
        ("出生日期", "1980-01-01", "age outside 5 to 20"),
        ("出生日期", "示例", "not a date"),
        ("出生日期", "0217-01-01", "outside the years"),
        ("性别", "示例", "not a sex"),
        ("班级", "示例", "not a class"),
        ("班级", "301", "not a class"),
        ("班级", "", "is empty"),
        ("姓名", "", "is empty"),
        ("姓名", "示" * 61, "more than 60"),
        ("姓名", "示" * 1001, "more than 1000"),
        ("学号", "示例 1", "not a student number"),
        ("监护人电话", "示例", "not a phone"),
        ("过敏原", "示例", "no group of GB 7718"),
        ("卡号", "示例", "not a card"),
        ("卡号", "12345678", "decimal or a hexadecimal"),
        ("手环地址", "示例", "not a band"),
        ("站点编号:hikvision", "示 例", "not a station"),
        ("同意:晨检与健康", "2099-01-01", "not a day"),
        ("是否住宿", "示例", "neither yes nor no"),
        ("同意:示例", "", "names no purpose"),
        ("同意:紧急求助", "", "names no purpose"),
        ("站点编号:示例", "", "not a station"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named_and_not_quoted(title: str, cell: str, cause: str) -> None:
    cells = {
        "学号": "1",
        "姓名": "某某",
        "班级": "三1",
        "出生日期": "2017-01-01",
        "监护人姓名": "某人",
        title: cell,
    }
    out = io.StringIO()
    csv.writer(out).writerows([cells.keys(), cells.values()])
    (problem,) = problems_of(out.getvalue().encode())
    assert problem.column == title
    assert cause in problem.cause
    assert problem.remedy
    assert len(cell) < 3 or cell not in f"{problem.cause}; {problem.remedy}"


def test_a_formula_is_refused_and_a_rounded_number_too() -> None:
    titles = ["学号", "姓名", "班级", "备注"]
    (formula,) = problems_of(workbook(titles, ["=1+1", "示例甲", "三1", "=2"]))
    assert "formula" in formula.cause
    (rounded,) = problems_of(workbook(titles, [310101201703051234, "示例甲", "三1", None]))
    assert "rounded" in rounded.cause


def test_a_phone_without_a_name_and_a_consent_without_evidence_are_problems() -> None:
    title = "学号,姓名,班级,监护人2姓名,监护人2电话,同意:health,同意凭证\n"
    found = problems_of((title + "1,示例甲,三1,,15400000001,2026-09-01,\n").encode())
    assert [problem.cause for problem in found] == [
        "has a phone and no name of whose it is",
        "is a consent without evidence",
    ]


def test_all_purposes_may_stand_in_one_cell() -> None:
    titles = "学号,姓名,班级,同意用途,同意人,同意日期,凭证\n"
    (row,) = rows_of((titles + "1,示例甲,九1,晨检与健康;sport,本人,20260901,柜\n").encode())
    assert [(one.purpose, one.by) for one in row.consents] == [("health", "pupil"), ("sport", "pupil")]
    (problem,) = problems_of((titles + "1,示例甲,九1,sport,,,柜\n").encode())
    assert problem.column == "同意日期"


def test_of_two_titles_for_one_thing_the_better_one_counts() -> None:
    data = "学号,学籍号（必填）,姓名,班级\n1,G2,示例甲,三1\n".encode()
    assert [row.student_number for row in rows_of(data)] == ["G2"]
    assert located(data).unused == ["学号"]


def test_a_delimiter_inside_of_cells_does_not_spoil_the_file() -> None:
    (row,) = rows_of('学号,姓名,班级,宿舍\n1,示例甲,三1,东;"一" 楼\n'.encode())
    assert row.dormitory == '东;"一" 楼'


def test_a_school_adds_its_own_titles(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[roster]\nstudent_number = ["内部编号"]\nname = ["学号"]\n', "utf-8")
    headers = load_headers(own)["roster"]
    assert headers.find(0, "内部编号") == (0, "内部编号", "student_number", 0, "", 0)
    found = headers.find(0, "学号")
    assert found is not None
    assert found.meaning == "name"
    own.write_text('[roster]\nshoe_size = ["鞋码"]\n', "utf-8")
    with pytest.raises(FileProblems, match="shoe_size is no column of ours"):
        load_headers(own)


@pytest.mark.parametrize(
    ("text", "grade", "id_"),
    [
        ("3-2", "", "3-2"),
        ("三（2）班", "", "3-2"),
        ("三(十二)班", "", "3-12"),
        ("三年级2班", "", "3-2"),
        ("3年级（2）班", "", "3-2"),
        ("三2", "", "3-2"),
        ("预初（1）班", "", "6-1"),
        ("初一（3）班", "", "7-3"),
        ("高三10班", "", "12-10"),
        ("2班", "三年级", "3-2"),
        ("（2）班", "3", "3-2"),
        ("sunflower", "", "sunflower"),
    ],
)
def test_a_class_in_every_notation(text: str, grade: str, id_: str) -> None:
    assert class_of(text, grade).id == id_


@pytest.mark.parametrize("text", ["十二班", "向日葵班", "13-1", "三（0）班", "301班", "", "零（1）班"])
def test_a_class_that_is_none_or_could_be_two(text: str) -> None:
    with pytest.raises(CellError):
        class_of(text)


@given(st.integers(1, 9), st.integers(1, 99))
def test_a_class_reads_back_from_its_own_name(grade: int, number: int) -> None:
    made = class_of(f"{grade}-{number}")
    assert class_of(made.zh).id == made.id == f"{grade}-{number}"


def test_numbers_in_chinese() -> None:
    read = {
        text: chinese_number(text) for text in ("一", "十", "十二", "二十", "九十九", "7", "百", "", "一二")
    }
    assert read == {
        "一": 1,
        "十": 10,
        "十二": 12,
        "二十": 20,
        "九十九": 99,
        "7": 7,
        "百": None,
        "": None,
        "一二": None,
    }


@given(st.dates(dt.date(1990, 1, 1), dt.date(2070, 1, 1)))
def test_a_date_in_every_notation(day: dt.date) -> None:
    texts = [
        day.isoformat(),
        f"{day:%Y%m%d}",
        f"{day.year}/{day.month}/{day.day}",
        f"{day.year}年{day.month}月{day.day}日",
    ]
    assert [date_of(text) for text in texts] == [day] * 4
    assert date_of(day) == date_of((day - dt.date(1899, 12, 30)).days) == day


@given(st.binary(min_size=4, max_size=4), st.sampled_from(["", ":", "-", " "]))
def test_a_card_is_the_same_in_every_notation(uid: bytes, between: str) -> None:
    digits = uid.hex(between) if between else uid.hex()
    lengths = frozenset({8})
    assert cards_of(digits, lengths) == (uid.hex().upper(),)
    assert cards_of(to_decimal(uid), frozenset()) == (uid.hex().upper(),)
    assert cards_of(int.from_bytes(uid, "big"), lengths) == (uid.hex().upper(),)
    assert cards_of(str(to_facility(uid)), frozenset()) == (uid[1:].hex().upper(),)


def test_a_column_decides_what_digits_alone_are() -> None:
    column: list[str | int | None] = ["04A1B2C3D4", "1234567890", None, 5]
    assert hex_lengths(column) == {10}
    assert cards_of("1234567890", hex_lengths(column)) == ("1234567890",)
    assert cards_of("1234567890", frozenset()) == ("499602D2",)
    assert cards_of("04:A1:B2:C3；无效"[:11], frozenset()) == ("04A1B2C3",)
    assert (cards_of(None, frozenset()), cards_of("无", frozenset())) == (None, ())


def test_allergens_are_the_groups_of_the_standard() -> None:
    assert len(set(ALLERGENS) - {"other"}) == 8
    assert [allergen_code(word) for word in ("虾", "鸡蛋过敏", "乳及其制品", "Peanut", "芒果", "石头")] == [
        "crustaceans",
        "eggs",
        "milk",
        "peanuts",
        "other",
        None,
    ]


def test_small_words() -> None:
    assert [sex_of(cell) for cell in ("男", 2, "F", None, "9")] == ["male", "female", "female", None, None]
    assert [phone_of(cell) for cell in ("+86 154 0000 0001", 15400000001, "021-5555 0000", None, "无")] == [
        "15400000001",
        "15400000001",
        "02155550000",
        "",
        "",
    ]
    assert student_number_of("ｇ12") == "G12"


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300), st.sampled_from([b"", SHORT.encode(), b"PK\x03\x04", b"\xef\xbb\xbf"]))
def test_no_bytes_break_the_reader(data: bytes, before: bytes) -> None:
    with suppress(ImportProblems):
        rows_of(before + data)
