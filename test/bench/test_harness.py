"""The measure: who is named, and how rows are made of times."""

from __future__ import annotations

import platform

import pytest

from halsie_ros.bench.harness import machine, row_of_times


def test_the_machine_is_named_with_its_architecture_and_vector_instructions(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nmodel name : Some CPU\nflags : fpu avx2 avx512f\n\nprocessor : 1\nmodel name : B\n")
    line = machine(info)
    assert line.startswith("Some CPU, ") and platform.machine() in line and line.endswith("avx2 avx512f")
    info.write_text("processor : 0\nFeatures : fp asimd sve\n")
    assert machine(info).endswith("asimd sve")
    assert platform.machine() in machine(tmp_path / "missing")


def test_a_ratio_above_one_means_ours_is_better_for_times_and_for_rates():
    assert row_of_times("x", 0.5, "peer", 1.0).ratio == pytest.approx(2)
    rate = row_of_times("x", 0.5, "peer", 1.0, work=3.0, unit="M/s")
    assert rate.ratio == pytest.approx(2) and (rate.ours, rate.peer_value) == (6.0, 3.0)
