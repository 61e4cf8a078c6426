"""Packed clips: shared among processes, kept apart from those of other settings, as small as they can be."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import yaml

pytest.importorskip("torch")

from halsie_ros.datasets import registry
from halsie_ros.datasets.samples import Sample
from halsie_ros.events import Events
from training.segmentation import clip_files, clips
from training.segmentation.clip_files import PackedClips, load_clip, save_clip


def clip(name="clip", frames=4, labelled=(3,), events=0):
    """Frames of 8 x 12 pixels, of which some have a label."""
    labels = np.full((frames, 8, 12), 255, np.uint8)
    labels[list(labelled), 2:] = 1
    times = 50_000 * np.arange(1, frames + 1)
    moved = Events.of([3] * events, [5] * events, np.linspace(1, times[-1], events).astype(int), [True] * events)
    images = np.zeros((frames, 8, 12, 3), np.uint8)
    return Sample(name, times, 0, images, moved, labels, (labels != 255).any((1, 2)))


def save_as_before(path, sample):
    """As clips were written before planes without labels were left out."""
    save_clip(path, sample)
    with np.load(path) as file:
        held = {name: file[name] for name in file.files if name not in ("labelled", "label_planes")}
    np.savez(path, labels=sample.labels, **held)


@pytest.mark.parametrize("labelled", [(3,), (0, 2), (), (0, 1, 2, 3)])
@pytest.mark.parametrize("write", [save_clip, save_as_before])
def test_labels_survive_packing_and_clips_made_earlier_are_read(write, labelled, tmp_path):
    sample = clip(labelled=labelled)
    write(tmp_path / "0.npz", sample)
    again = load_clip(tmp_path / "0.npz")
    assert again.labels.dtype == np.uint8 and np.array_equal(again.labels, sample.labels)
    assert again.labelled.tolist() == sample.labelled.tolist()
    still = PackedClips(tmp_path, stills=True).sample(0, None)
    assert np.array_equal(still.labels[0], sample.labels[labelled[-1] if labelled else 3])


def test_a_clip_takes_its_frames_its_labelled_planes_and_eight_bytes_an_event(tmp_path):
    sizes = {}
    for name, sample in (("few", clip(events=8)), ("more", clip(events=80_008)), ("all", clip(labelled=range(4)))):
        save_clip(tmp_path / f"{name}.npz", sample)
        sizes[name] = (tmp_path / f"{name}.npz").stat().st_size
    assert sizes["more"] - sizes["few"] == pytest.approx(80_000 * 8.125, abs=50)
    assert sizes["all"] - sizes["few"] == pytest.approx(3 * 8 * 12 - 8 * 8.125, abs=50)


@pytest.fixture
def recordings(monkeypatch):
    """Five clips in place of a data set's."""
    monkeypatch.setattr(
        registry, "split_samples", lambda *_, **__: (None, 0, iter([clip(f"clip {k}") for k in range(5)]))
    )


def pack(repository, folder, *more, name="halsie_dsec"):
    return clips.main([str(repository / "training" / "configs" / f"{name}.yaml"), "--out", str(folder), *more])


def test_recordings_are_shared_among_processes(recordings, repository, tmp_path):
    assert pack(repository, tmp_path, "--share", "1/2") == 0
    assert sorted(path.name for path in tmp_path.glob("*.npz")) == ["000001.npz", "000003.npz"]
    assert pack(repository, tmp_path, "--share", "0/2") == 0
    assert [PackedClips(tmp_path).sample(k, None).name for k in range(5)] == [f"clip {k}" for k in range(5)]


@pytest.mark.parametrize("share", ["2/2", "-1/2", "1", "a/b", "1/0"])
def test_what_is_no_share_is_refused(share, repository, tmp_path, capsys):
    with pytest.raises(SystemExit):
        pack(repository, tmp_path, f"--share={share}")
    assert f"{share} is no share: give i/n with i from 0 to n - 1" in capsys.readouterr().err


def test_processes_do_not_write_to_the_same_temporary_file(recordings, repository, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        clip_files, "save_clip", lambda path, sample: written.append(path.name) or save_clip(path, sample)
    )
    assert pack(repository, tmp_path) == 0
    assert written[0] == f".000000.{os.getpid()}.npz" and not list(tmp_path.glob(".*"))


def test_a_folder_of_other_clips_is_refused(recordings, repository, tmp_path, capsys):
    recipe = yaml.safe_load((repository / "training" / "configs" / "halsie_mvsec.yaml").read_text())
    recipe["train"].update(split="outdoor_day2", frames=8, labels="labels")
    for name, change in (("one", {}), ("other", {"split": "outdoor_day1", "labels": "more"})):
        recipe["train"].update(change)
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
    arguments = ["--out", str(tmp_path / "out")]
    assert [clips.main([str(tmp_path / "one.yaml"), *arguments]) for _ in range(2)] == [0, 0]
    note = json.loads((tmp_path / "out" / "clips.json").read_text())
    assert note == {"kind": "mvsec", "split": "outdoor_day2", "frames": 8, "labels": "labels", "stills": False}
    assert clips.main([str(tmp_path / "other.yaml"), *arguments]) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'out'}: its clips have split 'outdoor_day2', labels 'labels', not split 'outdoor_day1', "
        "labels 'more': give another --out, or delete it\n"
    )
    assert len(PackedClips(tmp_path / "out")) == 5


def test_clips_without_a_note_are_taken_as_they_are(recordings, repository, tmp_path):
    save_clip(tmp_path / "000000.npz", clip("made earlier"))
    assert pack(repository, tmp_path) == 0
    assert [PackedClips(tmp_path).sample(k, None).name for k in (0, 1)] == ["made earlier", "clip 1"]
    assert not (tmp_path / "clips.json").exists()


def test_a_note_without_clips_binds_nobody(recordings, repository, tmp_path):
    (tmp_path / "clips.json").write_text('{"kind": "mvsec"}')
    assert pack(repository, tmp_path) == 0
    assert json.loads((tmp_path / "clips.json").read_text())["kind"] == "dsec"
