"""The router against MQTT's rules for topic filters."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.routing import CACHE_TOPICS_MAX, Router


@dataclass(frozen=True)
class Listener:
    topics: tuple[str, ...]


def _matches(topic_filter: str, topic: str) -> bool:
    """The rules, word by word (MQTT 5, section 4.7)."""
    if topic.startswith("$") and topic_filter[0] in "+#":
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(w in ("+", has) for w, has in zip(wanted, levels, strict=True))


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matches"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+/c", "a//c", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$SYS/broker", False),
        ("+/broker", "$SYS/broker", False),
        ("$SYS/#", "$SYS/broker", True),
        ("+", "", True),
    ],
)
def test_known_pairs(topic_filter: str, topic: str, matches: bool) -> None:  # noqa: FBT001  # a table's column
    listener = Listener((topic_filter,))
    assert Router([listener]).match(topic) == ((listener,) if matches else ())
    assert _matches(topic_filter, topic) is matches


_levels = st.lists(st.sampled_from(["", "a", "b", "$x"]), min_size=1, max_size=4)
_topics = _levels.map("/".join)
_filters = st.tuples(
    st.lists(st.sampled_from(["", "a", "b", "$x", "+"]), max_size=3), st.sampled_from(["a", "+", "#"])
).map(lambda parts: "/".join([*parts[0], parts[1]]))


@given(st.lists(st.lists(_filters, min_size=1, max_size=3), max_size=5), st.lists(_topics, max_size=5))
def test_the_tree_agrees_with_the_rules(filters: list[list[str]], topics: list[str]) -> None:
    listeners = [Listener(tuple(one)) for one in filters]
    router = Router(listeners)
    for topic in [*topics, *topics]:
        wanted = [one for one in listeners if any(_matches(each, topic) for each in one.topics)]
        found = router.match(topic)
        assert [id(one) for one in found] == [id(one) for one in wanted]


def test_the_cache_is_bounded_and_answers_stay_right() -> None:
    listener = Listener(("t/+",))
    router = Router([listener])
    for number in range(2 * CACHE_TOPICS_MAX):
        assert router.match(f"t/{number}") == (listener,)
        assert router.match(f"u/{number}") == ()
    assert len(router._cache) <= CACHE_TOPICS_MAX


def test_filters_are_listed_once() -> None:
    assert Router([Listener(("a", "b")), Listener(("b", "c"))]).filters == ["a", "b", "c"]
