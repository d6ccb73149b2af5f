"""Child processes that take turns, with real plug-ins in them."""

from __future__ import annotations

import threading
import time

import pytest
from hosted import sound, vst3

from sds_bridge.errors import PluginError
from sds_bridge.host import plugin
from sds_bridge.host.children import Children

pytestmark = pytest.mark.acceptance


def test_one_is_used_again_and_a_dead_one_replaced():
    children = Children(1)
    with children.borrowed() as first:
        assert first.alive
    with children.borrowed() as second:
        assert second is first
        second.kill()
    with children.borrowed() as third:
        assert third is not first and third.alive
    children.end()
    assert not third.alive


def test_to_end_them_is_not_to_wait_for_one_that_hangs():
    children, said = Children(1), []

    def hang() -> None:
        try:
            with children.borrowed() as process:
                sound(plugin.load(process, vst3("HangInRender"), wake=0), limit=300)
        except PluginError as error:
            said.append(str(error))

    def wait_for_a_turn() -> None:
        time.sleep(0.5)
        try:
            with children.borrowed():
                said.append("a turn")
        except PluginError as error:
            said.append(str(error))

    threads = [threading.Thread(target=work) for work in (hang, wait_for_a_turn)]
    for thread in threads:
        thread.start()
    time.sleep(4)
    began = time.monotonic()
    children.end()
    for thread in threads:
        thread.join(10)
    assert time.monotonic() - began < 3
    assert len(said) == 2 and "signal 9" in said[0] and "stopped before its turn" in said[1]
