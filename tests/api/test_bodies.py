"""Every door of the API reads its body in one manner: what is missing, of another kind or not known is refused by its name."""

from typing import Any

import pytest

from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_lead

LEAD = "/leads/{lead}"
# Address, body, field, code.
REFUSED: list[tuple[str, Any, str, str]] = [
    (f"{LEAD}/attempts/", {"outcome": "reached"}, "channel", "required"),
    (f"{LEAD}/attempts/", {"channel": "call", "outcome": "reached", "note": 3}, "note", "type"),
    (f"{LEAD}/disqualify/", {"reason": ["junk"]}, "reason", "type"),
    (f"{LEAD}/notes/", {"text": None}, "text", "required"),
    (f"{LEAD}/tasks/", {"title": "Call", "due_on": "20261124"}, "due_on", "invalid"),
    (f"{LEAD}/tasks/", {"title": "Call", "colour": "red"}, "colour", "unknown"),
    (f"{LEAD}/merge/", {"other": "1"}, "other", "type"),
    (f"{LEAD}/merge/", {"other": True}, "other", "type"),
    (f"{LEAD}/erase/", {"confirmation": "x", "keeps_out": "no"}, "keeps_out", "type"),
    (f"{LEAD}/erase/", {"confirmation": "x", "ground": "x" * 501}, "ground", "too_long"),
    ("/bulk/", {"act": "fly"}, "act", "unknown"),
    ("/bulk/", {"act": "add_tag", "filter": {"q": 3}}, "filter", "type"),
    ("/views/", {"list": "leads", "name": 3}, "name", "type"),
    ("/views/", {"list": "leads", "name": "x", "team": 0}, "team", "type"),
    ("/campaigns/", {"name": 3, "signs": [{"utm_source": "x"}]}, "name", "type"),
]


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"3"])
def test_a_body_is_an_object_at_every_door(tenant: Tenant, body: bytes) -> None:
    api = ApiCaller(tenant)
    with tenant_scope(tenant.pk):
        lead = make_lead()
    doors = dict.fromkeys(address for address, _body, _field, _code in REFUSED)
    said = set()
    for address in (*doors, "/leads/", "/events/"):
        path = f"/api/v1{address.format(lead=lead.pk)}"
        answer = api.client.post(path, body, content_type="application/json")
        said.add((answer.status_code, answer.json()["detail"]))
    assert said == {(400, "Send a JSON object.")}


def test_fields_are_refused_by_name_and_code(tenant: Tenant) -> None:
    api = ApiCaller(tenant)
    with tenant_scope(tenant.pk):
        lead = make_lead(stage="mql")
    for address, body, field, code in REFUSED:
        answer = api.post(address.format(lead=lead.pk), body)
        found = [(error["field"], error["code"]) for error in answer.json()["errors"]]
        assert (answer.status_code, found) == (400, [(field, code)]), (address, body)


def test_null_is_as_good_as_nothing_where_a_field_may_be_left_out(tenant: Tenant) -> None:
    api = ApiCaller(tenant)
    with tenant_scope(tenant.pk):
        lead = make_lead(stage="mql")
    attempt = {"channel": "call", "outcome": "reached", "note": None}
    assert api.post(f"/leads/{lead.pk}/attempts/", attempt).status_code == 200
    view = {"list": "leads", "name": "Mine", "sharing": None, "team": None, "columns": None}
    assert api.post("/views/", view).json()["sharing"] == "me"
