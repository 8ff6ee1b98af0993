"""One published fixture for all page tests: home, accounts and signed-in clients."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from starlette.testclient import TestClient

from answers import accounts
from answers.accounts import add_account
from cairn.settings import Settings
from portal.app import create_app
from tests.portal.fixture_every_page import build_and_log, release_before
from tests.portal.fixture_published import publish_numbers
from tests.portal.fixture_release import TEACHER, publish_fixture

# Many sign-ins: the same function with less work in it.
accounts.SCRYPT_N = 2**10
PASSWORD = "correct horse 7"
ACCOUNTS = {
    "leader-a": ("school_leader", "school-a"),
    "leader-b": ("school_leader", "school-b"),
    "teacher-a": ("teacher", None),
    "central": ("central_office", None),
    "engineer": ("engineer", None),
}


@dataclass
class Pages:
    """The portal over the fixture; ``people`` is sourcedId -> key."""

    settings: Settings
    people: dict[str, str]
    clients: dict[str, TestClient] = field(default_factory=dict)

    def anonymous(self) -> TestClient:
        """A client that has not signed in."""
        return TestClient(create_app(self.settings), base_url="http://portal.example", follow_redirects=False)

    def client(self, name: str) -> TestClient:
        """A signed-in client, kept for the next test."""
        if name not in self.clients:
            client = self.anonymous()
            assert submit(client, "/login", "/login", name=name, password=PASSWORD).status_code == 303
            self.clients[name] = client
        return self.clients[name]


def submit(client: TestClient, page: str, action: str, **fields: str):  # type: ignore[no-untyped-def]  # httpx response
    """Open a page, take its form's token and send the form."""
    token = re.search(r'name="csrf" value="([^"]+)"', client.get(page).text)
    assert token is not None
    return client.post(action, data={"csrf": token[1], **fields})


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """The fixture release, published once."""
    settings = Settings(home=tmp_path_factory.mktemp("portal"), portal_hosts=["portal.example"])
    people = publish_fixture(settings)
    publish_numbers(settings)
    for name, (role, school_id) in ACCOUNTS.items():
        add_account(
            settings,
            name,
            role,
            school_id,
            PASSWORD,
            teacher_key=people[TEACHER] if role == "teacher" else None,
        )
    found = Pages(settings, people)
    yield found
    for client in found.clients.values():
        client.close()


@pytest.fixture(scope="module")
def two(pages: Pages) -> Iterator[Pages]:
    """The release, and before it another that lacks three pupils who need an adult."""
    with release_before(pages.settings):
        yield pages


@pytest.fixture(scope="module")
def every(two: Pages) -> Iterator[Pages]:
    """Every address of the portal has something to show."""
    with build_and_log(two.settings):
        yield two
