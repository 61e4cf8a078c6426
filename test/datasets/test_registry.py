"""The table of data sets: each row leads to a reader that keeps the contract, and everybody reads the same table."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from halsie_ros.bags.builders import KINDS, builder
from halsie_ros.cli.main import main
from halsie_ros.datasets.registry import DATASETS, LABELLED, split_samples
from halsie_ros.errors import DatasetError, ParameterError
from training.segmentation.clips import RECORDINGS

PARAMETERS = ["root", "split", "frames", "labels", "drives"]


@pytest.mark.parametrize("name", LABELLED)
def test_each_reader_opens_splits_alike(name):
    assert list(inspect.signature(DATASETS[name].reader().open_split).parameters) == PARAMETERS


@pytest.mark.parametrize("name", [name for name, row in DATASETS.items() if row.bag])
def test_each_data_set_that_makes_bags_has_a_builder(name):
    made = builder(name)
    assert callable(made.build) and callable(made.add_arguments)
    assert KINDS[name] == DATASETS[name].bag


def test_a_missing_folder_or_an_unknown_name_is_one_line(tmp_path):
    for name in LABELLED:
        with pytest.raises(DatasetError, match=f"{tmp_path}/none"):
            split_samples(name, tmp_path / "none", "train", frames=1, labels=Path("labels"))
    with pytest.raises(ParameterError, match="--dataset rpg: choose camvid, "):
        split_samples("rpg", tmp_path, "train", frames=1)
    with pytest.raises(ParameterError, match="--drives: dsec names its recordings by --split"):
        split_samples("dsec", tmp_path, "train", frames=1, drives=("a",))


def test_the_command_and_training_offer_what_the_table_has(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "segmentation", "--help"])
    assert "{" + ",".join(LABELLED) + "}" in "".join(capsys.readouterr().out.split())
    assert set(RECORDINGS) == {name for name in LABELLED if DATASETS[name].recordings}
