"""A second gateway on the same data folder is refused: it would hand out the same batch numbers."""

from __future__ import annotations

from tests.line.running_site import Site, campus

AIR = {"id": "air-1", "profile": "json/environment", "place": "main/301"}


def test_a_second_gateway_on_one_folder_is_refused_and_the_first_goes_on(site: Site) -> None:
    file = site.add_gateway("gw-1", [AIR])
    first = site.start_gateway(file)
    second = campus("edge", "run", file)
    assert second.returncode == 2
    assert "is in use: another gateway works with it" in second.stderr
    assert "Traceback" not in second.stderr
    assert first.running
    first.kill()
    assert site.start_gateway(file).stop() == 0, "a dead gateway holds nothing"
