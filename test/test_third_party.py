"""docs/third_party.md says of each model what its card says."""

from __future__ import annotations

import re

import pytest
import yaml


@pytest.fixture(scope="module")
def rows(repository):
    text = (repository / "docs" / "third_party.md").read_text()
    found = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| (yes|no) \|$", text, re.MULTILINE)
    return {name: (data, licence, use == "yes") for name, data, licence, use in found}


def test_the_table_is_what_the_cards_say(repository, rows):
    cards = [yaml.safe_load(path.read_text()) for path in (repository / "models").glob("*.yaml")]
    assert rows == {card["name"]: (card["data"], card["licence"], card["commercial_use"]) for card in cards}
