"""Readers that nobody here wrote take our feeds: results over HTTP by a OneRoster client, signatures by py-minisign.

The client (StrongMind's, generated from 1EdTech's own OpenAPI definition of OneRoster 1.1, which 1.2 extends) refuses a
record that lacks what the standard asks for, or says a word that is none of its vocabulary. It reads the REST service;
the CSV package is read by ``cairn.rostering`` in ``test_files``.
"""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from pathlib import Path

import minisign
import oneroster_client
import pytest
import requests

from answers import feed_access, feed_folders
from cairn.settings import Settings
from tests.portal.serving import served


def test_a_oneroster_client_reads_all_results_of_a_school(
    settings: Settings, written_home: Settings, tmp_path: Path
) -> None:
    shutil.copytree(written_home.home, settings.home)
    configuration = oneroster_client.Configuration()
    configuration.access_token = feed_access.add_token(settings, "school-a", "sis")
    with served(settings, tmp_path / "portal.log") as base:
        configuration.host = f"{base}/feeds/school-a/ims/oneroster/gradebook/v1p2"
        client = oneroster_client.ApiClient(configuration)
        results = []
        for offset in range(0, 200, 50):
            answer = oneroster_client.ResultsManagementApi(client).get_results(limit=50, offset=offset)
            results += answer.results
        items = oneroster_client.LineItemsManagementApi(client).get_line_items(limit=100).line_items
        categories = oneroster_client.CategoriesManagementApi(client).get_categories().categories
        configuration.host = configuration.host.replace("school-a", "school-b")
        with pytest.raises(requests.HTTPError) as refused:
            oneroster_client.ResultsManagementApi(oneroster_client.ApiClient(configuration)).get_results()
    assert refused.value.response.status_code == 403
    folder = feed_folders.folder(settings, "2026-10-14", "school-a")
    with zipfile.ZipFile(folder / feed_folders.ONEROSTER) as package:
        rows = list(csv.DictReader(io.StringIO(package.read("results.csv").decode())))
    assert len(results) == len(rows) == 128
    assert {
        (one.sourced_id, one.student.sourced_id, one.line_item.sourced_id, one.score_status, one.score)
        for one in results
    } == {
        (
            *(row["sourcedId"], row["studentSourcedId"], row["lineItemSourcedId"], row["scoreStatus"]),
            float(row["score"]) if row["score"] else None,
        )
        for row in rows
    }
    assert {one.score_date.isoformat()[:10] for one in results} == {row["scoreDate"] for row in rows}
    assert {one.line_item.sourced_id for one in results} == {one.sourced_id for one in items}
    assert {one.category.sourced_id for one in items} == {one.sourced_id for one in categories}
    assert {(one.result_value_min, one.result_value_max) for one in items} == {(0.0, 100.0)}


def test_another_implementation_of_minisign_checks_a_feed(written_home: Settings) -> None:
    folder = feed_folders.folder(written_home, "2026-10-14", "school-a")
    public = minisign.PublicKey.from_file(folder / feed_folders.PUBLIC_KEY)
    signature = minisign.Signature.from_file(folder / feed_folders.SIGNATURE)
    content = (folder / feed_folders.MANIFEST).read_bytes()
    public.verify(content, signature)
    assert signature.trusted_comment.startswith("school-a 2026-10-14 learning-2026-10-14-1 ")
    with pytest.raises(minisign.VerifyError):
        public.verify(content + b" ", signature)
