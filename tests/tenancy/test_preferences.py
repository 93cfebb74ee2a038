"""Theme and language stay with the person, or with the browser before sign-in."""

import pytest
from django.test import Client

from tenancy.models import User


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user("ana@empresa.test", "a password of hers", name="Ana")


def test_theme_and_language_are_kept_with_the_person(client: Client, person: User) -> None:
    client.force_login(person)
    answer = client.post("/preferences/", {"theme": "dark", "language": "pt-br", "next": "/accounts/2fa/"})
    assert answer.headers["Location"] == "/accounts/2fa/"
    person.refresh_from_db()
    assert (person.theme, person.language) == ("dark", "pt-br")
    page = client.get("/accounts/password/change/")
    assert b'data-theme-choice="dark"' in page.content
    assert b'lang="pt-br"' in page.content


def test_before_sign_in_the_browser_keeps_them(client: Client, db: None) -> None:
    client.post("/preferences/", {"language": "pt-br"})
    client.post("/preferences/", {"theme": "light"})
    page = client.get("/accounts/login/")
    assert b'data-theme-choice="light"' in page.content
    assert b'lang="pt-br"' in page.content


def test_what_is_not_offered_changes_nothing(client: Client, person: User) -> None:
    client.force_login(person)
    client.post("/preferences/", {"theme": "pink", "language": "xx"})
    person.refresh_from_db()
    assert (person.theme, person.language) == ("system", "")


@pytest.mark.parametrize("target", ["https://evil.test/", "//evil.test/", "javascript:alert(1)", ""])
def test_nobody_is_sent_to_another_site(client: Client, db: None, target: str) -> None:
    answer = client.post("/preferences/", {"theme": "dark", "next": target})
    assert answer.headers["Location"] == "/"


def test_only_a_post_changes_anything(client: Client, db: None) -> None:
    assert client.get("/preferences/?theme=dark").status_code == 405
