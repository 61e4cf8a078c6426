import json

import pytest

from halsie_ros.datasets.actions.video_sets import NO_LABEL, open_video_set
from halsie_ros.errors import DatasetError


def put(path, content="video"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.fixture
def ucf(tmp_path):
    put(tmp_path / "ucfTrainTestlist/classInd.txt", "2 Archery\n1 ApplyEyeMakeup\n")
    put(
        tmp_path / "ucfTrainTestlist/trainlist01.txt",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\n"
        "Archery/v_Archery_g09_c02.avi 2\nArchery/v_Archery_g10_c01.avi 2\n",
    )
    put(tmp_path / "ucfTrainTestlist/testlist01.txt", "Archery/v_Archery_g01_c01.avi\n")
    put(tmp_path / "UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi")
    put(tmp_path / "UCF-101/Archery/v_Archery_g09_c02.mp4")
    put(tmp_path / "UCF-101/Archery/v_Archery_g10_c01.avi", "")
    put(tmp_path / "UCF-101/Archery/v_Archery_g01_c01.avi")
    return tmp_path


def test_ucf101_takes_classes_by_number_and_groups_from_names(ucf):
    found = open_video_set("ucf101", ucf, "train1")
    assert found.classes == ("ApplyEyeMakeup", "Archery")
    assert [(c.label, c.group) for c in found.clips] == [(0, "ApplyEyeMakeup_g08"), (1, "Archery_g09")]


def test_a_transcoded_copy_counts_and_an_empty_file_is_missing(ucf):
    found = open_video_set("ucf101", ucf, "train1")
    assert found.clips[1].path.suffix == ".mp4"
    assert found.missing == ("Archery/v_Archery_g10_c01.avi",)


def test_ucf101_test_lists_need_no_label_column(ucf):
    assert [c.label for c in open_video_set("ucf101", ucf).clips] == [1]


@pytest.mark.parametrize(("split", "message"), [("train4", "no split 'train4'"), ("train2", r"trainlist02\.txt")])
def test_ucf101_names_what_is_wrong_with_a_split(ucf, split, message):
    with pytest.raises(DatasetError, match=message):
        open_video_set("ucf101", ucf, split)


def test_hmdb51_reads_flags_and_names_with_blanks(tmp_path):
    put(tmp_path / "brush_hair_test_split1.txt", "a b.avi 1\nc.avi 2\nd.avi 0\n")
    put(tmp_path / "wave_test_split1.txt", "e.avi 2\n")
    for name in ("brush_hair/a b.avi", "brush_hair/c.avi", "brush_hair/d.avi", "wave/e.avi"):
        put(tmp_path / name)
    assert [c.name for c in open_video_set("hmdb51", tmp_path, "train1").clips] == ["brush_hair/a b.avi"]
    assert [(c.name, c.label) for c in open_video_set("hmdb51", tmp_path).clips] == [
        ("brush_hair/c.avi", 0),
        ("wave/e.avi", 1),
    ]


@pytest.mark.parametrize("place", ["{name}", "val/{name}", "val/ice skating/{name}", "ice_skating/{name}"])
def test_kinetics_is_found_in_every_usual_folder(tmp_path, place):
    put(
        tmp_path / "val.csv",
        "label,youtube_id,time_start,time_end,split\nice skating,abc,5,15,val\nabseiling,gone,0,10,val\n",
    )
    put(tmp_path / place.format(name="abc_000005_000015.mp4"))
    found = open_video_set("kinetics400", tmp_path)
    assert found.classes == ("abseiling", "ice skating")
    assert [c.label for c in found.clips] == [1]
    assert found.missing == ("gone_000000_000010.mp4",)


def test_a_list_that_is_not_kinetics_is_named(tmp_path):
    put(tmp_path / "val.csv", "a,b\n1,2\n")
    with pytest.raises(DatasetError, match=r"val\.csv.*youtube_id"):
        open_video_set("kinetics600", tmp_path)


def test_ssv2_maps_templates_without_brackets_and_never_mirrors(tmp_path):
    put(tmp_path / "labels.json", json.dumps({"Pushing something left": "1", "Holding something": "0"}))
    put(tmp_path / "validation.json", json.dumps([{"id": "7", "template": "Pushing [something] left"}]))
    put(tmp_path / "20bn-something-something-v2/7.webm")
    found = open_video_set("ssv2", tmp_path)
    assert found.classes == ("Holding something", "Pushing something left")
    assert found.clips[0].label == 1 and found.mirror == "never"


@pytest.fixture
def plain(tmp_path):
    put(tmp_path / "clips.csv", "path,label,subject\nb/1.mp4,b,s1\na/2.mp4,a,s2\na/3.mp4,a,s3\n")
    for name in ("b/1.mp4", "a/2.mp4", "a/3.mp4"):
        put(tmp_path / name)
    return tmp_path


def test_a_plain_folder_splits_by_group_with_all_classes_kept(plain):
    found = open_video_set("clips", plain, "s2,s3")
    assert found.classes == ("a", "b")
    assert [(c.name, c.label, c.group) for c in found.clips] == [("a/2.mp4", 0, "s2"), ("a/3.mp4", 0, "s3")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("clips", "s9"), "no row has subject s9"),
        (("other", None), "'other' is unknown"),
        (("ucf101", None, "x.csv"), "leave --csv out"),
        (("clips", None, "none.csv"), r"none\.csv"),
    ],
)
def test_mistakes_are_named(plain, arguments, message):
    name, split, *csv = arguments
    with pytest.raises(DatasetError, match=message):
        open_video_set(name, plain, split, *csv)


def test_a_root_without_any_clip_is_an_error(plain):
    for path in plain.rglob("*.mp4"):
        path.unlink()
    with pytest.raises(DatasetError, match="none of 3 listed clips"):
        open_video_set("clips", plain)


def test_a_csv_from_a_spreadsheet_opens_and_its_incomplete_rows_are_counted(tmp_path):
    put(tmp_path / "a/1.mp4")
    (tmp_path / "clips.csv").write_bytes(b"\xef\xbb\xbfpath,label\na/1.mp4,a\na/2.mp4\n,a\n")
    found = open_video_set("clips", tmp_path)
    assert [clip.name for clip in found.clips] == ["a/1.mp4"] and found.classes == ("a",)
    assert found.missing == ("line 3: no path or label", "line 4: no path or label")


def test_a_csv_of_incomplete_rows_alone_is_refused(tmp_path):
    put(tmp_path / "clips.csv", "path,label\na/2.mp4\n")
    with pytest.raises(DatasetError, match="no row has both"):
        open_video_set("clips", tmp_path)


def test_hmdb51s_classes_stand_in_the_order_of_their_names(tmp_path):
    for name in ("climb_stairs", "climb", "sword_exercise", "sword", "sit", "situp"):
        put(tmp_path / f"{name}_test_split1.txt", f"{name}.avi 2\n")
        put(tmp_path / name / f"{name}.avi")
    found = open_video_set("hmdb51", tmp_path)
    assert found.classes == ("climb", "climb_stairs", "sit", "situp", "sword", "sword_exercise")
    assert [found.classes[clip.label] for clip in found.clips] == [clip.path.stem for clip in found.clips]


@pytest.mark.parametrize(("asked", "there"), [("val", "validate"), ("validate", "val"), (None, "validate")])
def test_kinetics_lists_are_val_or_validate(tmp_path, asked, there):
    put(
        tmp_path / f"annotations/{there}.csv",
        "label,youtube_id,time_start,time_end,split\nice skating,abc,5,15,validate\n",
    )
    put(tmp_path / there / "abc_000005_000015.mp4")
    assert [c.label for c in open_video_set("kinetics400", tmp_path, asked).clips] == [0]


def test_a_kinetics_list_without_labels_has_the_classes_of_another(tmp_path):
    put(tmp_path / "train.csv", "label,youtube_id,time_start,time_end,split\nb,x,0,10,train\na,y,0,10,train\n")
    put(tmp_path / "test.csv", "youtube_id,time_start,time_end,split\nabc,5,15,test\n")
    put(tmp_path / "test/abc_000005_000015.mp4")
    found = open_video_set("kinetics400", tmp_path, "test")
    assert found.classes == ("a", "b") and [c.label for c in found.clips] == [NO_LABEL]


def test_test_lists_of_ssv2_and_plain_lists_need_no_labels(tmp_path):
    put(tmp_path / "labels.json", json.dumps({"Holding something": "0"}))
    put(tmp_path / "test.json", json.dumps([{"id": "7"}]))
    put(tmp_path / "videos/7.webm")
    assert [c.label for c in open_video_set("ssv2", tmp_path, "test").clips] == [NO_LABEL]
    put(tmp_path / "clips.csv", "path\nvideos/7.webm\n")
    assert [c.label for c in open_video_set("clips", tmp_path).clips] == [NO_LABEL]


def test_lists_of_official_length_are_read_whole(tmp_path):
    names = [f"Class{number:03d}" for number in range(101)]
    put(tmp_path / "ucfTrainTestlist/classInd.txt", "".join(f"{i + 1} {name}\n" for i, name in enumerate(names)))
    rows = [f"{names[i % 101]}/v_{names[i % 101]}_g{8 + i % 18:02d}_c{i:05d}.avi {i % 101 + 1}\n" for i in range(9537)]
    put(tmp_path / "ucfTrainTestlist/trainlist01.txt", "".join(rows))
    put(tmp_path / "UCF-101" / rows[4000].split()[0])
    found = open_video_set("ucf101", tmp_path, "train1")
    assert (len(found.classes), len(found.clips), len(found.missing)) == (101, 1, 9536)
    kinetics = [f"class {i % 400:03d},id{i:06d},{i % 50},{i % 50 + 10},train\n" for i in range(246_534)]
    put(tmp_path / "k/train.csv", "label,youtube_id,time_start,time_end,split\n" + "".join(kinetics))
    put(tmp_path / "k/train/class 007/id000007_000007_000017.mp4")
    found = open_video_set("kinetics400", tmp_path / "k", "train")
    assert (len(found.classes), len(found.clips), len(found.missing)) == (400, 1, 246_533)
