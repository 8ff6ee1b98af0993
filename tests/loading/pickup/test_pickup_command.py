"""``cairn pickup``: what it prints, its exit status, and what it says of a configuration that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cairn.settings import Settings
from cli.main import main
from tests.loading.pickup.conftest import Configure

TAKE = [{"match": "*.csv", "load": "facts", "layout": "cairn_costs"}]
SFTP = {"kind": "sftp", "host": "h", "username": "u", "path": "/", "known_hosts": "/k", "take": TAKE}
REST = {
    "kind": "oneroster",
    "base_url": "https://sis.example/or",
    "token_url": "https://sis.example/token",
    "client_id": "cairn",
    "client_secret": {"env": "NOWHERE_TO_BE_FOUND"},
}


def cairn(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    return int(str(ended.value.code)), captured.out, captured.err


def test_without_a_source_there_is_nothing_to_do(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert cairn(capsys, "pickup", "run") == (0, "pickup: no source in pickup.yaml\n", "")
    assert cairn(capsys, "pickup", "list")[1] == "no source in pickup.yaml\n"


def test_a_red_run_ends_with_source_file_and_reason(
    settings: Settings, tmp_path: Path, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "costs.csv").write_text(
        "SchoolId,PilotId,Date,Name,Value,Unit\ns1,p,2026-09-08,licence,5,usd\ns1,p,9/8/2026,licence,5,usd\n"
    )
    configure(drop={"kind": "folder", "path": str(drop), "stable_seconds": 0, "take": TAKE}, sis=REST)
    status, out, err = cairn(capsys, "pickup", "run", "--json")
    told = json.loads(out)
    assert (status, told["loaded"], told["loaded_in_part"], told["refused"], told["failed"]) == (1, 0, 1, 0, 1)
    (file,) = told["sources"][0]["files"]
    assert (file["name"], file["state"], file["rows"], file["rejected"]) == ("costs.csv", "loaded_in_part", 2, 1)
    assert file["problems"][0].startswith("costs.csv:3: Date is not a date")
    assert err.splitlines()[-2:] == [
        "refused: drop: costs.csv: 1 rows refused, the rest is loaded",
        "failed: sis: the environment has no NOWHERE_TO_BE_FOUND: set it where the pick-up runs",
    ]
    status, out, _ = cairn(capsys, "pickup", "list", "--json")
    listed = {one["name"]: one for one in json.loads(out)["sources"]}
    assert (listed["drop"]["state"], listed["drop"]["last_refused"]["name"]) == ("refused", "costs.csv")
    assert (listed["sis"]["state"], listed["sis"]["where"]) == ("failed", "https://sis.example/or")
    assert "drop: folder" in cairn(capsys, "pickup", "list")[1]
    assert "no source nobody in pickup.yaml: there is drop, sis" in cairn(capsys, "pickup", "run", "nobody")[2]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"kind": "ftp"}, "sources.x.kind"),
        ({"kind": "folder", "path": "/x"}, '"take" is a required property'),
        ({"kind": "folder", "path": "/x", "take": TAKE, "colour": 1}, "colour"),
        (
            {"kind": "folder", "path": "/x", "take": [{"match": "*", "load": "facts"}]},
            '"layout" is a required property',
        ),
        (SFTP, "give client_key (the path of a private key) or password"),
        ({**SFTP, "password": "in the clear"}, "sources.x.password"),
        ({**REST, "base_url": "http://sis.example/or"}, "http:// shows the token to everybody on the way"),
        ({**REST, "base_url": "https://user:secret@sis.example/or"}, "sources.x.base_url"),
        ({**REST, "collections": ["results"]}, "give gradebook_url"),
    ],
)
def test_a_configuration_that_is_wrong_is_named_by_file_and_key(
    settings: Settings, configure: Configure, capsys: pytest.CaptureFixture[str], raw: dict[str, Any], said: str
) -> None:
    configure(x=raw)
    status, _, err = cairn(capsys, "pickup", "run")
    assert status == 1 and err.startswith(f"error: {settings.district_dir / 'pickup.yaml'}: sources.x") and said in err
    assert "in the clear" not in err and "secret@" not in err
