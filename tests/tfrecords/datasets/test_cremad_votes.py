"""The votes of CREMA-D's summaryTable.csv."""

import pytest

from tfrecords.datasets import cremad_votes

TABLE = """"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote"
"1","1001_IEO_ANG_XX","A","60","A:D","50","A"
"2","1001_IEO_SAD_XX","N","60","S","50","N:S"
"""


def test_a_clip_is_recognised_where_most_people_name_its_emotion(tmp_path):
    path = tmp_path / "summaryTable.csv"
    path.write_text(TABLE, encoding="utf-8-sig")
    votes = cremad_votes.read(path)
    assert votes["1001_IEO_SAD_XX"] == {"voice": "N", "face": "S", "both": "N:S"}
    clips = ["VideoFlash/1001_IEO_ANG_XX.flv", "1001_IEO_SAD_XX", "1002_IEO_SAD_XX"]
    known, found = cremad_votes.recognised(votes, clips, ["ANG", "SAD", "SAD"])
    assert known.tolist() == [True, True, False]
    assert {how: x.tolist() for how, x in found.items()} == {
        "voice": [True, False, False],
        "face": [False, True, False],  # a tie recognises nothing
        "both": [True, False, False],
    }


def test_another_table_is_refused(tmp_path):
    path = tmp_path / "summaryTable.csv"
    path.write_text("FileName,VoiceVote\n")
    with pytest.raises(ValueError, match="no column FaceVote, MultiModalVote"):
        cremad_votes.read(path)
