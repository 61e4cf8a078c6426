"""Where compiled kernels go when nothing but the temporary folder can be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from halsie_ros import kernels as kernel_cache
from halsie_ros.kernels import ensure_cache_folder


@pytest.fixture
def nothing_writable(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel_cache, "_writable", lambda folder: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_numba_finds_its_own_place_where_one_can_be_written(tmp_path):
    environment: dict[str, str] = {}
    ensure_cache_folder(environment, Path("/proc/none"), tmp_path / "not" / "yet" / "there")
    ensure_cache_folder(environment, tmp_path, Path("/proc/none"))
    assert environment == {}


def test_a_private_temporary_folder_is_the_last_place(nothing_writable):
    environment: dict[str, str] = {}
    ensure_cache_folder(environment, Path("/a"), Path("/b"))
    folder = Path(environment["NUMBA_CACHE_DIR"])
    assert folder.parent == nothing_writable
    assert folder.stat().st_mode & 0o777 == 0o700
    again: dict[str, str] = {}
    ensure_cache_folder(again, Path("/a"), Path("/b"))
    assert again == environment


def test_a_folder_that_others_can_write_is_not_trusted(nothing_writable):
    environment: dict[str, str] = {}
    ensure_cache_folder(environment, Path("/a"), Path("/b"))
    first = Path(environment.pop("NUMBA_CACHE_DIR"))
    first.chmod(0o777)
    ensure_cache_folder(environment, Path("/a"), Path("/b"))
    assert Path(environment["NUMBA_CACHE_DIR"]) != first


def test_the_users_choice_stands(nothing_writable):
    environment = {"NUMBA_CACHE_DIR": "/chosen"}
    ensure_cache_folder(environment, Path("/a"), Path("/b"))
    assert environment == {"NUMBA_CACHE_DIR": "/chosen"}
