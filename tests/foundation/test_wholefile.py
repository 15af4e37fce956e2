"""A file that is replaced as a whole is the writer's own, whatever lies in its way."""

from __future__ import annotations

from pathlib import Path

from foundation.wholefile import write_whole


def test_what_lies_in_the_way_is_neither_written_to_nor_kept(tmp_path: Path) -> None:
    path, new, elsewhere = tmp_path / "map", tmp_path / "map.new", tmp_path / "elsewhere"
    elsewhere.write_text("somebody's")
    new.symlink_to(elsewhere)
    write_whole(path, b"1")
    assert elsewhere.read_text() == "somebody's"
    assert not path.is_symlink()
    new.write_bytes(b"of a broken run")
    new.chmod(0o666)
    write_whole(path, b"2")
    assert path.read_bytes() == b"2"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not new.exists()
