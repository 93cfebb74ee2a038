"""Finding leads by what people type, through the audited function and where it gives up."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leads import search
from leads.capture.fields import read_submission
from leads.capture.intake import run_after_intake, take_in
from leads.capture.rules import open_rules
from leads.listing import count_leads, count_on, list_leads, read_list_query
from leads.models import Lead, LeadSearch
from leads.pipeline import Reason
from leads.search import search_leads
from tenancy.listing import Count
from tenancy.models import Membership, Role, Tenant
from tests.builders import make_company, make_lead, make_member
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("in_tenant")


def found(text: str, **parameters: str) -> list[int]:
    """The ids on the first page of a search."""
    query = read_list_query(parameters={"q": text, **parameters}, member=Membership())
    return list_leads(query=query, now=NOW).lead_ids


def capture(tenant: Tenant, **document: Any) -> int:
    """A lead as the API takes it in, pipeline included; its id."""
    given, problems = read_submission(document=document, rules=open_rules(tenant=tenant), now=NOW)
    assert not problems
    taken = take_in(rows=[given], now=NOW, is_live=True)
    run_after_intake(taken=taken, reason=Reason("captured"), now=NOW)
    assert taken[0].lead_id is not None
    return taken[0].lead_id


@pytest.fixture
def ana() -> Lead:
    """A lead with everything that one can be found by, and another with nothing of it."""
    company = make_company(name="HORIZONTE TEXTIL SA", domain="horizonte.ind.br")
    make_lead(name="Bento Gil", name_key="bento gil", email="bento@gil.test", external_id="7", phone="+34911")
    return make_lead(
        name="Ana Conceição",
        name_key="ana conceicao",
        email="a.conceicao@vendas.test",
        external_id="CRM-É 17",
        phone="+5519998887766",
        company=company,
    )


@pytest.mark.parametrize(
    "text",
    [
        *("Ana", "ANA CONCEIÇÃO", "conceicao ana", "ana con", "nceica", "  ana   "),
        *("a.conceicao@vendas.test", "vendas.test", "A.Conceicao", "@vendas"),
        *("CRM-É 17", "crm-e", "crm 17"),
        *("+55 19 99888-7766", "(19) 99888-7766", "998887766", "99888-7766"),
        *("Horizonte Têxtil", "textil", "horizonte.ind.br", "ana horizonte", "têxtil conceição"),
    ],
)
def test_a_lead_is_found_by_parts_of_what_is_known_of_it(ana: Lead, text: str) -> None:
    assert found(text) == [ana.pk]


@pytest.mark.parametrize("text", ["ana bento", "nac", "eicao17", "xyz", "ana horizonteX", "conceicaoana"])
def test_every_word_has_to_be_there_and_short_ones_begin_a_word(ana: Lead, text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(("text", "finds"), [("An", True), ("na", False), ("7", False), ("É", False)])
def test_one_or_two_letters_begin_a_name(ana: Lead, text: str, finds: bool) -> None:
    assert (ana.pk in found(text)) is finds


def test_one_or_two_letters_may_be_a_whole_external_id(ana: Lead) -> None:
    bento = Lead.objects.get(external_id="7")
    assert found("7") == [bento.pk]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "%%%",
            "___",
            "%",
            "\\",
            "'; DROP TABLE leads_lead; --",
            "ana' OR '1'='1",
            "$2[1]",
            "{}",
            "%s %(x)s",
        ),
        *(
            "ana%",
            "a_a",
            "ana\\",
            "😀😀😀😀",
            "日本語の名前",
            "\u202eana\u202d",
            "a" * 5000,
            "ana " * 500,
            "İstanbul",
        ),
    ],
)
def test_hostile_text_is_only_text(ana: Lead, text: str) -> None:
    assert set(found(text)) <= {ana.pk}
    assert Lead.objects.count() == 2


def test_wildcards_are_not_wildcards(ana: Lead) -> None:
    assert found("c%o") == found("conc_ic") == []


def test_the_search_goes_with_filters_orders_and_a_count() -> None:
    low, high = (
        make_lead(name="Ana Lima", name_key="ana lima", score=score, stage="mql") for score in (10, 60)
    )
    make_lead(name="Ana Lima", name_key="ana lima", stage="new")
    assert found("ana lima", stage="mql", order="-score") == [high.pk, low.pk]
    query = read_list_query(parameters={"q": "ana lima", "stage": "mql"}, member=Membership())
    count = count_leads(query=query, now=NOW)
    assert count is not None
    assert (count.value, count.exact) == (2, True)


def test_more_matches_than_the_index_gives_are_walked_through_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leads = [
        make_lead(name=f"Ana {score}", name_key=f"ana {score}", score=score, email=None) for score in range(6)
    ]
    make_lead(name="Bento", name_key="bento", score=9)
    monkeypatch.setattr(search, "MOST_FOUND", 3)
    common = read_list_query(parameters={"q": "ana"}, member=Membership())
    assert count_leads(query=common, now=NOW, limit=3) == Count(value=3, exact=False)
    narrowed = read_list_query(parameters={"q": "ana", "score_min": "4"}, member=Membership())
    assert count_leads(query=narrowed, now=NOW, limit=3) == Count(value=2, exact=True)
    query = read_list_query(parameters={"q": "ana", "order": "-score"}, member=Membership(), size=2)
    assert query.search is not None
    assert not query.search.is_looked_up
    assert not query.is_fast
    page = list_leads(query=query, now=NOW)
    assert page.lead_ids == [leads[5].pk, leads[4].pk]
    after = read_list_query(
        parameters={"q": "ana", "order": "-score", "cursor": page.next_cursor or ""},
        member=Membership(),
        size=2,
    )
    assert list_leads(query=after, now=NOW).lead_ids == [leads[3].pk, leads[2].pk]


@pytest.mark.parametrize("passed", [1000, 1], ids=["near", "far"])
def test_common_words_are_told_by_a_sample_and_found_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch, passed: int
) -> None:
    leads = [make_lead(name=f"Ana {score}", name_key=f"ana {score}", score=score) for score in range(6)]
    for score in (7, 8):
        make_lead(name="Bento", name_key="bento", score=score, stage="mql")
    # Any tenant is large enough to be sampled; more than half of it is common.
    monkeypatch.setattr(search, "MOST_FOUND", 0)
    monkeypatch.setattr(search, "COMMON", 0.5)
    monkeypatch.setattr("leads.paging.most_passed", lambda _steps, _rows: passed)
    with CaptureQueriesContext(connection) as queries:
        assert search_leads(text="ana").is_common
    assert not any("leadsys_search_leads" in query["sql"] for query in queries)
    for order in ("-score", "name", "created_at"):
        assert set(found("ana", order=order)) == {lead.pk for lead in leads}
    assert found("ana", order="-score", score_min="2") == [lead.pk for lead in leads[:1:-1]]
    with CaptureQueriesContext(connection) as queries:
        assert not search_leads(text="bento").is_looked_up
    assert any("leadsys_search_leads" in query["sql"] for query in queries)


def test_another_tenants_leads_are_not_found(ana: Lead, tenant: Tenant, other_tenant: Tenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('leadsys.tenant_id', '', true)")
        cursor.execute("SELECT count(*) FROM leadsys_search_leads(ARRAY['%% ana%%'], 10)", [])
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT set_config('leadsys.tenant_id', %s, true)", [str(other_tenant.pk)])
        cursor.execute("SELECT count(*) FROM leadsys_search_leads(ARRAY['%% ana%%'], 10)", [])
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT set_config('leadsys.tenant_id', %s, true)", [str(tenant.pk)])
        cursor.execute("SELECT count(*) FROM leadsys_search_leads(ARRAY['%% ana%%'], 10)", [])
        assert cursor.fetchone() == (1,)


def test_nor_are_they_in_a_page(ana: Lead, tenant: Tenant, other_tenant: Tenant) -> None:
    page = "SELECT matched, lead_ids FROM leadsys_search_page(ARRAY['%% ana%%'], true, NULL, NULL, 10, 1001)"
    with connection.cursor() as cursor:
        for scope, seen in (
            ("", (0, None)),
            (str(other_tenant.pk), (0, None)),
            (str(tenant.pk), (1, [ana.pk])),
        ):
            cursor.execute("SELECT set_config('leadsys.tenant_id', %s, true)", [scope])
            cursor.execute(page, [])
            assert cursor.fetchone() == seen


@pytest.mark.parametrize("patterns", [[], [None], ["%a%"] * 9])
def test_the_function_takes_one_to_eight_patterns(ana: Lead, patterns: list[str | None]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM leadsys_search_leads(%s::text[], 10)", [patterns])
        assert cursor.fetchone() == (0,)
        cursor.execute(
            "SELECT matched FROM leadsys_search_page(%s::text[], true, NULL, NULL, 10, 1001)", [patterns]
        )
        assert cursor.fetchone() == (0,)


def pages(text: str, order: str, *, size: int, most: int = 100) -> list[list[int]]:
    """The pages of a search, each by the cursor of the one before."""
    found: list[list[int]] = []
    cursor = ""
    while len(found) < most:
        parameters = {"q": text, "order": order, "cursor": cursor}
        page = list_leads(
            query=read_list_query(parameters=parameters, member=Membership(), size=size), now=NOW
        )
        found.append(page.lead_ids)
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    return found


# Of a tenant as large as its ids are far apart. The newest third is an import that no search but its own finds; before it years
# of leads, of whom crowds came in ten minutes and in one instant.
LARGE = """
WITH drawn AS (
    SELECT n, hashint4(n) & 1023 AS roll, CASE
        WHEN n % 3 = 0 THEN %(now)s - (n % 700) * interval '0.1 second'
        WHEN n % 3 = 1 AND n % 5 < 4 THEN %(now)s - interval '1 year' - (hashint4(n) & 511) * interval '1 second'
        WHEN n % 5 = 0 THEN %(now)s - interval '2 years'
        ELSE %(now)s - (hashint4(n) & 65535) * interval '20 minutes' END AS at
    FROM generate_series(1, 6000) n
), made AS (
    INSERT INTO leads_lead (tenant_id, id, name, name_key, created_at, recorded_at)
    SELECT %(tenant)s, 1000000 + n * 1300, 'A', 'a', at, %(now)s FROM drawn
)
INSERT INTO leads_leadsearch (tenant_id, lead_id, created_at, text)
SELECT %(tenant)s, 1000000 + n * 1300, at, CASE
    WHEN n % 3 = 0 THEN ' lista importada'
    ELSE ' ana maria' || CASE WHEN roll < 90 THEN ' oliveira' WHEN roll < 94 THEN ' ubirajara' ELSE '' END END
FROM drawn
"""


def test_pages_of_a_large_tenant_are_in_order_of_creation_wherever_those_stand_who_match(
    tenant: Tenant,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LARGE.replace("n % ", "n %% "), {"tenant": tenant.pk, "now": NOW})
    leads = LeadSearch.objects.values_list("created_at", "lead_id", "text")
    known = sorted((at, lead_id, text) for at, lead_id, text in leads)
    for text, size, most in [
        *(("oliveira", 50, 100), ("maria oliveira", 200, 2), ("ubirajar", 7, 3), ("lista", 300, 1)),
        *(("maria", 300, 1), ("maria", 2700, 1), ("oliveira lista", 50, 1)),
    ]:
        for order in ("created_at", "-created_at"):
            matching = [lead_id for _at, lead_id, each in known if all(word in each for word in text.split())]
            matching = matching[::-1] if order == "-created_at" else matching
            wanted = [matching[start : start + size] for start in range(0, len(matching), size)][:most] or [
                []
            ]
            assert pages(text, order, size=size, most=most) == wanted
    for text in ("ubirajar", "maria", "oliveira", "oliveira lista", "lista"):
        query = read_list_query(parameters={"q": text}, member=Membership())
        count = count_leads(query=query, now=NOW)
        matching = [lead_id for _at, lead_id, each in known if all(word in each for word in text.split())]
        # Of a large tenant no more are counted than a page needs: a round number that there are at least.
        assert count is not None
        assert count == Count(value=len(matching)) or (not count.exact and 50 <= count.value <= len(matching))
        # Whoever asks once the page is there is told as exactly as everywhere.
        assert count_on(query=query, now=NOW) == Count.up_to(len(matching), limit=1000)


# The index is asked for the words alone where most leads are the tenant's own.
CROWD = """
WITH made AS (
    INSERT INTO leads_lead (tenant_id, id, name, name_key, created_at, recorded_at)
    SELECT %(tenant)s, 900000 + n, 'A', 'a', %(now)s, %(now)s FROM generate_series(1, %(leads)s) n
)
INSERT INTO leads_leadsearch (tenant_id, lead_id, created_at, text)
SELECT %(tenant)s, 900000 + n, %(now)s, ' ana maria ubirajara' FROM generate_series(1, %(leads)s) n
"""


@pytest.mark.parametrize("leads", [40, 400])
def test_leads_of_another_tenant_are_neither_found_nor_counted_where_the_words_alone_are_looked_up(
    tenant: Tenant, other_tenant: Tenant, leads: int
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LARGE.replace("n % ", "n %% "), {"tenant": tenant.pk, "now": NOW})
        cursor.execute("SELECT set_config('leadsys.tenant_id', %s, true)", [str(other_tenant.pk)])
        cursor.execute(CROWD, {"tenant": other_tenant.pk, "now": NOW, "leads": leads})
        cursor.execute("SELECT set_config('leadsys.tenant_id', %s, true)", [str(tenant.pk)])
    matching = LeadSearch.objects.filter(text__contains="ubirajara").order_by("-created_at", "-lead")
    matching = list(matching.values_list("lead", flat=True))
    assert pages("ana ubirajara maria", "-created_at", size=10) == [
        matching[start : start + 10] for start in range(0, len(matching), 10)
    ]
    query = read_list_query(parameters={"q": "ubirajara maria ana"}, member=Membership())
    assert count_leads(query=query, now=NOW) == Count(value=len(matching))


def test_a_page_that_was_found_before_it_was_counted_asks_for_its_count(
    ana: Lead, tenant: Tenant, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = make_member(role=Role.MARKETING).user
    assert user is not None
    client.force_login(user)
    client.cookies["django_language"] = "en"
    nobody = client.get(f"/t/{tenant.slug}/leads/?q=zzz").content.decode()
    assert "is found where a word begins" in nobody
    url = f"/t/{tenant.slug}/leads/?q=ana"
    assert 'hx-trigger="load"' not in foot_of(client.get(url))
    monkeypatch.setattr("leads.search.Hits.count", lambda _hits, **_limit: Count(value=400, exact=False))
    page = client.get(url)
    assert "more than 400 leads" in foot_of(page)
    assert 'hx-get="/t/horizonte/leads/?q=ana"' in foot_of(page)
    assert "400+ leads" in page.content.decode()
    later = client.get(url, headers={"HX-Request": "true", "HX-Target": "leads-count"}).content.decode()
    assert later.split("<")[0].strip() == "1 lead"
    assert re.search(r'<span id="leads-heading"\s+hx-swap-oob="true">1 lead</span>', later)


def foot_of(page: Any) -> str:
    """The line below a list that says how many there are."""
    found = re.search(
        r'<div class="text-secondary num"\s+id="leads-count".*?</div>', page.content.decode(), re.S
    )
    assert found
    return found[0]


def test_a_lead_that_turns_out_to_be_older_moves_in_the_search(ana: Lead) -> None:
    eva = make_lead(name="Ana Eva", name_key="ana eva", email=None)
    assert found("ana") == [eva.pk, ana.pk]
    Lead.objects.filter(pk=eva.pk).update(created_at=ana.created_at - timedelta(days=1))
    assert found("ana") == [ana.pk, eva.pk]
    assert found("ana", order="created_at") == [eva.pk, ana.pk]


def test_what_comes_in_is_found_at_once_and_what_changes_by_the_new_words(tenant: Tenant) -> None:
    lead_id = capture(tenant, email="rui@moinho.test", first_name="Rui", last_name="Sá")
    assert found("rui sa") == found("moinho") == [lead_id]
    assert capture(tenant, email="rui@moinho.test", phone="+5519987654321", external_id="erp 9") == lead_id
    assert found("987654321") == found("erp moinho") == [lead_id]
    capture(tenant, email="rui@moinho.test", last_name="Saldanha")
    assert found("rui saldanha") == [lead_id]
    assert found("rui sa 98765") == [lead_id]


def test_a_company_that_gets_a_name_gives_it_to_all_its_leads(tenant: Tenant) -> None:
    first = capture(tenant, email="rui@moinho.test", first_name="Rui")
    assert found("moinhos unidos") == []
    second = capture(
        tenant, email="eva@moinho.test", company={"name": "Moinhos Unidos", "domain": "moinho.test"}
    )
    assert set(found("moinhos unidos")) == {first, second}


def test_running_again_writes_nothing(tenant: Tenant) -> None:
    lead_id = capture(tenant, email="rui@moinho.test", first_name="Rui")
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text, ctid::text FROM leads_leadsearch WHERE lead_id = %s", [lead_id])
        before = cursor.fetchone()
        search.refresh_search(lead_ids=[lead_id])
        cursor.execute("SELECT xmin::text, ctid::text FROM leads_leadsearch WHERE lead_id = %s", [lead_id])
        assert cursor.fetchone() == before


@pytest.mark.parametrize(
    "text", ["Ana Conceição", "ÇA-VA l'été", "a_b.c@d.test", "Łódź", "ﬁne", "Ångström №5", "straße", "O’Neil"]
)
def test_the_database_folds_external_ids_as_python_folds_what_people_type(text: str) -> None:
    lead = make_lead(external_id=text)
    assert found(text) == [lead.pk]


def test_the_text_holds_each_thing_once(ana: Lead) -> None:
    assert LeadSearch.objects.get(lead=ana).text == (
        " ana conceicao a conceicao vendas test crm e 17 5519998887766 horizonte textil sa horizonte ind br"
    )
