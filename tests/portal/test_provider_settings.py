"""Settings of the identity provider: whole or none."""

from __future__ import annotations

import pytest

from cairn.errors import CairnError
from portal.app import create_app
from tests.portal.conftest import Pages

WHOLE = {
    "oidc_issuer": "https://id.district.example",
    "oidc_client_id": "cairn",
    "oidc_client_secret_file": "/run/secrets/oidc",
}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"oidc_issuer": "http://id.district.example"}, "https"),
        ({"oidc_client_id": ""}, "oidc_client_id"),
        ({"oidc_client_secret_file": ""}, "oidc_client_secret_file"),
        ({"oidc_scopes": "email"}, "openid"),
    ],
)
def test_settings_that_are_not_whole_say_so_at_the_start(pages: Pages, changes: dict[str, str], told: str) -> None:
    create_app(pages.settings.model_copy(update=WHOLE))
    with pytest.raises(CairnError, match=told):
        create_app(pages.settings.model_copy(update=WHOLE | changes))


def test_without_a_provider_there_are_no_such_pages(pages: Pages) -> None:
    client = pages.anonymous()
    pages_of_it = ("/login/provider", "/login/provider/callback", "/signed-out")
    assert {client.get(path).status_code for path in pages_of_it} == {404}
