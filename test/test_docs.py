"""What the pages in docs/ tell people to type is run, where it can be here; links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from halsie_ros.cli.main import main
from halsie_ros.events import Events
from halsie_ros.events.codecs import evt3

LIVE = ("halsie demo",)  # starts nodes; test/cli and test/demo run it
NEEDS_ROS = ("ros2", "./halsie", "sudo", "rviz2")


def commands(page: Path) -> list[str]:
    """The lines of a page's ``sh`` blocks, continued lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def test_every_command_of_the_page_on_bags_works_as_written(repository, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    words = evt3.encode(Events.of([1, 2], [3, 4], [10, 20_000], [0, 1]), time_base_us=0)
    Path("recording.raw").write_bytes(b"% evt 3.0\n% geometry 640x480\n% end\n" + words.tobytes())
    for line in commands(repository / "docs" / "my_bag.md"):
        if not line.startswith(LIVE):
            assert main(shlex.split(line)[1:]) == 0, (line, capfd.readouterr().err)
    assert "<html" in (tmp_path / "both.html").read_text()[:300]


@pytest.mark.parametrize("page", ["my_bag.md", "my_cameras.md", "own_classes.md", "train.md"])
def test_commands_name_verbs_modules_and_files_that_exist(repository, page):
    for line in commands(repository / "docs" / page):
        for module in re.findall(r"-m (training[\w.]*)", line):
            place = repository.joinpath(*module.split("."))
            moved = module == "training.transcode"  # its old name is a contract
            assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file() or moved, line
        for file in re.findall(r"(?:training/configs|launch|config)/[\w.]+", line):
            assert (repository / file).exists(), line
        for launch in re.findall(r"halsie_ros (\w+\.launch\.py)", line):
            text = (repository / "launch" / launch).read_text()
            for argument in re.findall(r"(\w+):=", line):
                name = re.sub(r"^(segmentation|action)_params$", "SENSE_params", argument)
                assert f'"{argument}"' in text or (name == "SENSE_params" and "_params" in text), (
                    f"{line}: {launch} declares no {argument}"
                )


def test_links_between_the_pages_lead_somewhere(repository):
    pages = [*repository.glob("*.md"), *(repository / "docs").glob("*.md"), *(repository / "training").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
