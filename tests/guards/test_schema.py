"""The API held against its own description: whatever is sent, it answers as its OpenAPI document says and never breaks.

Schemathesis makes the requests: the edges of every schema, and more at random from a fixed seed, valid and not, in the name of
the right key, of a key of another scope, of the other tenant and of nobody, about leads in every stage.
``LEADSYS_SCHEMA_EXAMPLES=500`` makes it a long run.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import Client
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import openapi
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode

from leads.models import LeadNote, Stage
from tenancy.errors import PROBLEM_TYPE
from tenancy.models import ApiKey, Scope
from tenancy.scope import tenant_scope
from tests.builders import make_lead
from tests.conftest import NOW
from tests.guards.addresses import Address, list_addresses
from tests.guards.samples import World
from tests.leads.people import make_rep, make_sdr, mql_of, opportunity_of, sql_of, working_of

# They share the answers, so they stay in one process.
pytestmark = pytest.mark.xdist_group("schema")

SCHEMA = "/api/v1/schema/"
EXAMPLES = int(os.environ.get("LEADSYS_SCHEMA_EXAMPLES", "5"))
# Of one operation; a body of thirty fields has three hundred.
EDGES = 24 * EXAMPLES
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
RIGHT, OTHERS, NOBODY, NO_SCOPE = "right key", "other key", "no key", "another scope"
CONFORMANCE = (
    *("status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "unsupported_method", "allow_header_conformance"),
)
# Read as generously as a file's cells: a number where a text is meant, one thing where a list is; refusals are in tests/unit.
LENIENT = {"POST /api/v1/leads/", "PATCH /api/v1/leads/{lead_id}/"}
# What every operation may answer with, and what it may besides when it has an id or a body.
REFUSALS, WITH_ID, WITH_BODY = {"400", "401", "403", "413", "429"}, {"404"}, {"415"}

addresses = {address.route: address for address in list_addresses() if address.is_api}
operations = [address for address in addresses.values() if address.route != SCHEMA]


@dataclass(frozen=True)
class Asked:
    """One request, who asked, and its answer with all that is wrong with it."""

    operation: str
    method: str
    url: str
    who: str
    is_valid: bool
    status: int
    wrong: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether what the operation is for was done; another method is asked for on purpose, and OPTIONS is answered."""
        return self.status // 100 == 2 and self.operation.startswith(f"{self.method} ")

    @property
    def is_refused_unread(self) -> bool:
        """Whether it has a NUL in its address, which is refused before anybody is asked who they are."""
        return self.status == 400 and "%00" in self.url


@dataclass
class Asker:
    """Sends cases in somebody's name and keeps the answers; nothing that a case writes stays."""

    world: World
    schema: Any
    # By path of the document and parameter.
    samples: dict[tuple[str, str], list[Any]]
    app: WSGIHandler = field(default_factory=WSGIHandler)
    asked: list[Asked] = field(default_factory=list)

    def ask_everything(self) -> None:
        load_all_checks()
        for result in self.schema.get_all_operations():
            operation = result.ok()
            config = self.schema.config.generation_for(operation=operation, phase="coverage")
            edges = self.schema.iter_coverage_cases(
                operation, generation_modes=list(MODES), generation_config=config
            )
            for number, case in enumerate(spread(list(edges), EDGES)):
                self.ask(case, RIGHT, number)
            for example in operation.get_strategies_from_examples():
                self.ask_at_random(example, 1)
            for mode in MODES:
                self.ask_at_random(operation.as_strategy(generation_mode=mode), EXAMPLES)

    def ask_at_random(self, cases: st.SearchStrategy[Any], most: int) -> None:
        @settings(
            derandomize=True,
            max_examples=most,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(
            case=cases,
            who=st.just(RIGHT)
            if most == 1
            else st.sampled_from((RIGHT, RIGHT, RIGHT, OTHERS, NOBODY, NO_SCOPE)),
            number=st.integers(0, 100),
        )
        def ask(case: Any, who: str, number: int) -> None:
            self.ask(case, who, number)

        ask()

    def ask(self, case: Any, who: str, number: int) -> None:
        negated = {where for where, part in case.meta.components.items() if part.mode.is_negative}
        for name in case.path_parameters if ParameterLocation.PATH not in negated else ():
            samples = self.samples[case.path, name]
            case.path_parameters[name] = samples[number % len(samples)]
        if number % 2:
            # Who does not wait learns little.
            case.headers.pop("Prefer", None)
        headers = {"Authorization": f"Bearer {self.key(case, who)}", "Accept-Language": "en"}
        with transaction.atomic():
            response = case.call(app=self.app, headers=headers)
            transaction.set_rollback(True)
        wrong = self.faults(case, response, negated, headers)
        self.asked.append(
            Asked(
                case.operation.label,
                response.request.method,
                response.request.url,
                who,
                not negated,
                response.status_code,
                tuple(wrong),
            )
        )

    def key(self, case: Any, who: str) -> str:
        scope = view_of(case.path).scopes.get(case.operation.method.upper())
        others = {OTHERS: "other key", NO_SCOPE: next(each for each in Scope.values if each != scope)}
        return self.world.keys.get(others.get(who, scope), "") if who != NOBODY else "lsk_none_such"

    def faults(self, case: Any, response: Any, negated: set[Any], headers: dict[str, str]) -> Iterator[str]:
        request = f"{response.request.method} {response.request.url} {response.request.body!r}"[:600]
        answer = f"{response.status_code} {response.content[:200]!r}"
        checks = list(CONFORMANCE)
        is_judged = negated and negated <= {ParameterLocation.BODY, ParameterLocation.QUERY}
        if is_judged and response.status_code not in {202, 413} and case.operation.label not in LENIENT:
            checks.append("negative_data_rejection")
        try:
            case.validate_response(response, headers=headers, checks=CHECKS.get_by_names(checks))
        except FailureGroup as group:
            for each in group.exceptions:
                yield f"{type(each).__name__}: {each.message}\n{request}\n{answer}"


def spread(cases: list[Any], most: int) -> list[Any]:
    """At most so many of the cases, from all over the list."""
    return cases[:: -(-len(cases) // most)]


def described(route: str) -> str:
    """A route as the document has it."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)


def view_of(path: str) -> Any:
    """The view behind a path of the document."""
    return by_path[path].view


def make_leads() -> list[int]:
    """A lead in every stage, with what each stage stands on; one has the tag of the document's examples."""
    sdr, rep = make_sdr(), make_rep()
    leads = [mql_of(sdr, tags=["fair 2026"]), working_of(sdr), sql_of(rep), opportunity_of(rep)]
    ends = (Stage.NEW, Stage.CUSTOMER, Stage.NURTURE, Stage.DISQUALIFIED)
    return [lead.pk for lead in (*leads, *(make_lead(stage=stage) for stage in ends))]


def note_of_the_asker() -> LeadNote:
    """A note by the key that may change it."""
    key = ApiKey.objects.get(scopes=[Scope.LEADS_WRITE])
    note: LeadNote = LeadNote.objects.create(
        lead=make_lead(), text="Call on Monday", written_at=NOW, written_by=key.service
    )
    return note


@contextmanager
def one_connection() -> Iterator[None]:
    """The application as a server calls it closes its connection after each request; here it is the test's."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


by_path = {described(address.route): address for address in operations}
_asked: list[Asked] = []


@pytest.fixture
def document() -> dict[str, Any]:
    """The OpenAPI document as a caller reads it."""
    found: dict[str, Any] = Client().get(SCHEMA).json()
    return found


@pytest.fixture
def asked(world: World, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Everything that was asked, asked once for all the tests here."""
    if not _asked:
        # Names of machines are looked up outside.
        monkeypatch.setattr("core.webhooks.endpoints.resolve", lambda target: target.host)
        with tenant_scope(world.ours.pk):
            leads, own_note = make_leads(), note_of_the_asker()
            samples = {
                (described(address.route), name): leads
                if name == "lead_id"
                else [world.sample(address, name)]
                for address in operations
                for name in address.parameters
            }
            samples["/api/v1/notes/{note_id}/", "note_id"].append(own_note.pk)
        asker = Asker(world, openapi.from_dict(document, config=SchemathesisConfig()), samples)
        with one_connection():
            asker.ask_everything()
        _asked.extend(asker.asked)
    return _asked


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    validate_schema(document)  # type: ignore[no-untyped-call]
    for shape in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(shape)


def test_the_document_is_not_sent_again_to_who_has_it() -> None:
    first = Client().get(SCHEMA)
    assert first.headers["Content-Type"] == "application/vnd.oai.openapi+json"
    assert Client().get(SCHEMA, headers={"If-None-Match": first["ETag"]}).status_code == 304


@pytest.mark.parametrize("address", operations, ids=lambda address: address.route)
def test_every_operation_is_described_with_its_refusals(document: dict[str, Any], address: Address) -> None:
    paths = document["paths"][described(address.route)]
    assert {method.upper() for method in paths} == set(address.view.scopes)
    for method, operation in paths.items():
        responses = operation["responses"]
        assert operation["security"] == [{"apiKey": []}]
        expected = REFUSALS | (WITH_ID if address.parameters else set())
        expected |= WITH_BODY if "requestBody" in operation else set()
        assert expected <= responses.keys(), method
        refusals = {status: list(each["content"]) for status, each in responses.items() if status >= "400"}
        assert set(map(tuple, refusals.values())) == {(PROBLEM_TYPE,)}
        assert all(
            each["content"] for status, each in responses.items() if status < "400" and status != "204"
        )
        assert responses["429"]["headers"]["Retry-After"]["required"] is True


def test_nothing_breaks(asked: list[Asked]) -> None:
    assert [each for each in asked if each.status >= 500] == []


def test_every_answer_is_one_that_the_document_describes(asked: list[Asked]) -> None:
    faults = dict.fromkeys(fault for each in asked for fault in each.wrong)
    assert not faults, "\n\n".join(list(faults)[:10])


def test_every_operation_was_done_and_refused(asked: list[Asked]) -> None:
    by_right = [each for each in asked if each.who == RIGHT]
    names = {each.operation for each in asked}
    assert len(names) == sum(len(address.view.scopes) for address in operations)
    assert {each.operation for each in by_right if each.status // 100 == 4} == names
    # The acts need a lead in their own stage and words that only the tenant knows; tests/leads does them one by one.
    done = {each.operation for each in by_right if each.is_done}
    assert {name for name in names if not name.startswith("POST /api/v1/leads/{lead_id}/")} <= done
    assert len(done) > len(names) // 2


@pytest.mark.parametrize(
    ("who", "statuses"),
    # Now and then the header is left out on purpose.
    [
        (NOBODY, {401, 404, 405}),
        (NO_SCOPE, {401, 403, 404, 405}),
        (OTHERS, {400, 401, 404, 405, 409, 415}),
    ],
)
def test_who_may_not_ask_is_refused(asked: list[Asked], who: str, statuses: set[int]) -> None:
    # Without an id of ours in the address it is the other tenant's own that is asked for.
    of_ours = {path for path, address in by_path.items() if address.ids}
    got = [
        each
        for each in asked
        if each.who == who and (who != OTHERS or each.operation.partition(" ")[2] in of_ours)
    ]
    assert got
    assert [each for each in got if each.status not in statuses and not each.is_refused_unread] == []
