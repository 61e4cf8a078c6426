"""Where compiled kernels go."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from halsie_ros import kernels
from halsie_ros.kernels import cache_folder, digest


@pytest.fixture
def nothing_writable(monkeypatch, tmp_path):
    monkeypatch.setattr(kernels, "writable", lambda folder: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kernels.temporary_folder.cache_clear()
    yield tmp_path
    kernels.temporary_folder.cache_clear()


def test_the_users_cache_folder_is_the_place(tmp_path):
    assert cache_folder({"HOME": str(tmp_path)}) == tmp_path / ".cache" / "halsie_ros" / "kernels"
    assert cache_folder({"HOME": "/none", "XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "halsie_ros" / "kernels"


def test_the_users_choice_stands(nothing_writable):
    assert cache_folder({"NUMBA_CACHE_DIR": "/chosen", "HOME": "/"}) == Path("/chosen")


@pytest.mark.parametrize("environment", [{}, {"HOME": ""}, {"HOME": "/dev/null/home"}, {"HOME": "somewhere"}])
def test_without_a_home_a_privatetemporary_folder_is_the_place(environment, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kernels.temporary_folder.cache_clear()
    folder = cache_folder(environment)
    kernels.temporary_folder.cache_clear()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_write_is_not_trusted(nothing_writable):
    first = cache_folder({})
    first.chmod(0o777)
    kernels.temporary_folder.cache_clear()
    assert cache_folder({}) != first


def test_a_digest_follows_what_is_imported_in_any_form(tmp_path, monkeypatch):
    package = tmp_path / "halsie_ros"
    package.mkdir()
    monkeypatch.setattr(kernels, "ROOT", tmp_path)
    sources = {
        "caller": "from halsie_ros.callee import (\n    one,\n    two,\n)\n",
        "user": "def f():\n    from halsie_ros import caller\n",
        "stranger": "import numpy\n",
        "callee": "import halsie_ros.deep\n",
        "deep": "VALUE = 1\n",
    }
    for name, text in sources.items():
        (package / f"{name}.py").write_text(text)

    def digests():
        kernels._read.cache_clear()
        kernels._imports.cache_clear()
        return {name: digest(package / f"{name}.py") for name in sources}

    before = digests()
    (package / "deep.py").write_text("VALUE = 2\n")
    after = digests()
    kernels._read.cache_clear()
    kernels._imports.cache_clear()
    assert {name for name in sources if before[name] != after[name]} == {"caller", "user", "callee", "deep"}
