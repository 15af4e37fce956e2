"""The eight groups of food that the labelling standard GB 7718 names as allergens (2011 edition, 4.4.3), the
codes by which the vault keeps them, and what schools write for them.
"""

from __future__ import annotations

from typing import Final

from identity_vault.imports.folding import fold

ALLERGENS: Final[dict[str, tuple[str, ...]]] = {
    "gluten": ("含麸质的谷物", "含有麸质的谷物", "麸质", "谷物", "小麦", "面筋", "大麦", "黑麦", "wheat"),
    "crustaceans": (
        "甲壳纲类动物",
        "甲壳类",
        "甲壳动物",
        "虾",
        "蟹",
        "虾蟹",
        "龙虾",
        "shellfish",
        "shrimp",
        "crab",
    ),
    "fish": ("鱼类", "鱼"),
    "eggs": ("蛋类", "鸡蛋", "蛋", "egg"),
    "peanuts": ("花生", "花生类", "peanut"),
    "soybeans": ("大豆", "黄豆", "豆类", "大豆类", "soy", "soya", "soybean"),
    "milk": ("乳", "乳类", "牛奶", "奶", "乳制品", "奶制品", "乳糖", "dairy", "lactose"),
    "nuts": ("坚果", "坚果及其果仁类", "坚果类", "果仁", "核桃", "腰果", "杏仁", "榛子", "nut", "treenuts"),
    # Not the standard's: what a child may have all the same, and no label need say.
    "other": (
        "其他",
        "其它",
        "芒果",
        "菠萝",
        "猕猴桃",
        "桃",
        "水果",
        "尘螨",
        "花粉",
        "药物",
        "青霉素",
        "mango",
    ),
}
"""By code: the standard's Chinese name first, then other words for the group or a part of it."""

_CODES: Final = {word: code for code, words in ALLERGENS.items() for word in (code, *words)}


def allergen_code(word: str) -> str | None:
    """The group a word belongs to, None for one that no group has."""
    plain = fold(word).casefold().replace(" ", "")
    for ending in ("", "过敏", "及其制品"):
        if (found := _CODES.get(plain.removesuffix(ending))) is not None:
            return found
    return _CODES.get(plain.removesuffix("过敏").removesuffix("及其制品"))
