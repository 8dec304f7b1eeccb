"""The verdict of a soak: what goes on growing is found, and what only fluctuates is not."""

from __future__ import annotations

import os
import socket

from tests.soak.samples import Samples, read_processes


def build_samples(values: list[float]) -> Samples:
    samples = Samples()
    for value in values:
        samples.add({"memory": value})
    return samples


def test_what_goes_on_growing_is_found() -> None:
    samples = build_samples([100.0 + number for number in range(40)])
    assert samples.find_growth() == ["memory"]


def test_what_grows_at_first_and_then_stays_is_flat() -> None:
    samples = build_samples([50, 80, 95, 98, 99, *([100, 101] * 18)])
    assert samples.find_growth() == []
    assert 0.99 < samples.ratios()["memory"] < 1.02


def test_five_per_cent_are_allowed() -> None:
    assert build_samples([100.0] * 20 + [104.0] * 20).find_growth() == []
    assert build_samples([100.0] * 20 + [106.0] * 20).find_growth() == ["memory"]


def test_a_process_has_memory_and_descriptors() -> None:
    found = read_processes([os.getpid()])
    assert found["memory_mib"] > 10
    assert found["descriptors"] >= 3


def test_connections_of_visitors_do_not_count() -> None:
    """But those that the process opens itself do."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listening = read_processes([os.getpid()])["descriptors"]
        with socket.create_connection(server.getsockname()):
            accepted, _ = server.accept()
            with accepted:
                assert read_processes([os.getpid()])["descriptors"] == listening + 1
