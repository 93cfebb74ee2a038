"""Rules, pools and fair turns: who gets a lead, and why."""

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from core.due import sweep_tenant
from core.models import Notification
from leads.models import Decision, KeptPerson, Lead, LeadState, RuleKind
from leads.pipeline import Reason, run_pipeline
from leads.versions import InvalidDocument, save_draft
from leads.why import explain_part
from routing.models import Pool, PoolMember
from tenancy.models import Membership, Role, TeamFunction
from tenancy.scope import tenant_scope
from tenancy.services import deactivate_member
from tests.builders import make_company, make_lead, make_member, make_team, publish_rules
from tests.conftest import NOW

FALLBACK = {"sdr": "sdr-fallback", "sales": "sales-fallback"}
LARGE = {"fact": "company_size", "op": "gte", "value": 500}


def make_pool(
    *, key: str = "enterprise", members: Sequence[Membership] = (), function: TeamFunction = TeamFunction.SDR
) -> Pool:
    pool: Pool = Pool.objects.create(key=key, name=key.title(), function=function)
    PoolMember.objects.bulk_create(
        PoolMember(pool=pool, member=member, position=position) for position, member in enumerate(members)
    )
    return pool


def rule(*, to: dict[str, Any], when: Any = None, id: str = "rule", function: str = "sdr") -> dict[str, Any]:  # noqa: A002
    return {"id": id, "label": id.title(), "function": function, "when": when, "to": to}


def publish(*rules: dict[str, Any]) -> None:
    publish_rules(kind=RuleKind.ROUTING, document={"rules": list(rules), "fallback": FALLBACK})


def run(*leads: Lead, now: datetime = NOW, is_history: bool = False) -> None:
    result = run_pipeline(
        lead_ids=[lead.pk for lead in leads], reason=Reason("event", is_history=is_history), now=now
    )
    assert result.failed == {}


def sdr_of(lead: Lead) -> int | None:
    owner_id: int | None = LeadState.objects.values_list("owner_sdr_id", flat=True).get(pk=lead.pk)
    return owner_id


def owner_decisions(lead: Lead) -> list[Decision]:
    return list(Decision.objects.filter(lead=lead, kind="owner").order_by("id"))


def make_mql(**fields: Any) -> Lead:
    return make_lead(stage="mql", stage_at=NOW, **fields)


def admin() -> Membership:
    found: Membership = Membership.objects.get(roles__contains=[Role.ADMIN])
    return found


def test_in_a_fresh_tenant_the_administrator_gets_the_leads(in_tenant: Any) -> None:
    mql, offered = make_mql(), make_lead(stage="sql", stage_at=NOW)
    run(mql, offered)
    assert sdr_of(mql) == admin().pk
    assert LeadState.objects.get(pk=offered.pk).owner_sales_id == admin().pk


def test_once_an_sdr_joined_the_administrator_gets_no_more_sdr_leads(in_tenant: Any) -> None:
    sdr = make_member(role=Role.SDR)
    leads = [make_mql() for _ in range(3)]
    offered = make_lead(stage="sql", stage_at=NOW)
    run(*leads, offered)
    assert {sdr_of(lead) for lead in leads} == {sdr.pk}
    assert LeadState.objects.get(pk=offered.pk).owner_sales_id == admin().pk


def test_the_first_rule_that_is_true_decides(in_tenant: Any) -> None:
    ana, bia, cris = (make_member(name=name) for name in ("Ana", "Bia", "Cris"))
    make_pool(key="large", members=[ana])
    make_pool(key="rest", members=[bia])
    publish(
        rule(id="sales-only", to={"member": cris.pk}, function="sales"),
        rule(id="large", when=LARGE, to={"pool": "large"}),
        rule(id="everyone", to={"pool": "rest"}),
    )
    large = make_mql(company=make_company(size=900))
    small = make_mql(company=make_company(size=10))
    unknown = make_mql()
    run(large, small, unknown)
    assert [sdr_of(lead) for lead in (large, small, unknown)] == [ana.pk, bia.pk, bia.pk]
    verdicts = [row["verdict"] for row in owner_decisions(unknown)[0].detail["rules"]]
    assert verdicts == [None, True]


def test_a_lead_is_left_alone_before_mql_and_when_only_files_tell_of_it(in_tenant: Any) -> None:
    new, history = make_lead(), make_mql(is_live=False)
    run(new, history)
    told = make_mql()
    run(told, is_history=True)
    assert [sdr_of(lead) for lead in (new, history, told)] == [None, None, None]


def test_turns_are_fair_over_one_batch_and_over_many(in_tenant: Any) -> None:
    members = [make_member() for _ in range(3)]
    make_pool(members=members)
    publish(rule(to={"pool": "enterprise"}))
    leads = [make_mql() for _ in range(9)]
    run(*leads[:4])
    for lead in leads[4:]:
        run(lead)
    assert [sdr_of(lead) for lead in leads] == [member.pk for member in members] * 3


def test_a_batch_of_n_gives_what_n_batches_of_one_give(in_tenant: Any) -> None:
    members = [make_member() for _ in range(3)]
    make_pool(key="large", members=members[:2])
    make_pool(key="gone")
    publish(
        rule(id="large", when=LARGE, to={"pool": "large"}),
        rule(id="empty", when={"fact": "country", "op": "eq", "value": "PT"}, to={"pool": "gone"}),
    )
    fields: list[dict[str, Any]] = [
        {"company": make_company(size=900)},
        {"country": "PT"},
        {},
        {"company": make_company(size=700)},
    ]
    leads = [make_mql(**fields[index % 4]) for index in range(12)]
    with transaction.atomic():
        run(*leads)
        together = [sdr_of(lead) for lead in leads]
        transaction.set_rollback(True)
    with transaction.atomic():
        for lead in leads:
            run(lead)
        assert [sdr_of(lead) for lead in leads] == together
    assert Counter(together).most_common()[-1][1] >= 1


def test_running_the_step_again_changes_nothing(in_tenant: Any) -> None:
    make_member()
    lead = make_mql()
    run(lead)
    before = (sdr_of(lead), len(owner_decisions(lead)), Pool.objects.get(key="sdr-fallback").turn)
    run(lead, now=NOW + timedelta(hours=1))
    assert (sdr_of(lead), len(owner_decisions(lead)), Pool.objects.get(key="sdr-fallback").turn) == before


def test_who_left_or_lost_the_role_is_skipped(in_tenant: Any) -> None:
    stays, left, moved = (make_member() for _ in range(3))
    make_pool(members=[left, moved, stays])
    publish(rule(to={"pool": "enterprise"}))
    Membership.objects.filter(pk=left.pk).update(is_active=False)
    Membership.objects.filter(pk=moved.pk).update(roles=[Role.SALES])
    leads = [make_mql() for _ in range(3)]
    run(*leads)
    assert {sdr_of(lead) for lead in leads} == {stays.pk}


def test_a_newcomer_is_not_flooded(in_tenant: Any) -> None:
    first, second = make_member(), make_member()
    pool = make_pool(members=[first, second])
    publish(rule(to={"pool": "enterprise"}))
    run(*[make_mql() for _ in range(6)])
    newcomer = make_member()
    PoolMember.objects.create(pool=pool, member=newcomer, position=9)
    leads = [make_mql() for _ in range(6)]
    run(*leads)
    assert Counter(sdr_of(lead) for lead in leads) == {first.pk: 2, second.pk: 2, newcomer.pk: 2}


def test_an_empty_pool_falls_back(in_tenant: Any) -> None:
    sdr = make_member()
    make_pool(key="gone")
    publish(rule(to={"pool": "gone"}))
    lead = make_mql()
    run(lead)
    assert sdr_of(lead) == sdr.pk
    assert owner_decisions(lead)[0].detail["how"] == "fallback"


def test_a_pool_of_another_function_gives_nobody(in_tenant: Any) -> None:
    both = make_member(role=Role.SALES)
    Membership.objects.filter(pk=both.pk).update(roles=[Role.SALES, Role.SDR])
    publish_document = {"rules": [rule(to={"pool": "sales-fallback"})], "fallback": FALLBACK}
    with pytest.raises(InvalidDocument):
        save_draft(kind=RuleKind.ROUTING, document=publish_document, by=None, now=NOW)


def test_a_team_rule_puts_the_lead_into_the_teams_queue(in_tenant: Any) -> None:
    team = make_team(name="Sul", members=[make_member()])
    publish(rule(to={"team": team.pk}))
    lead = make_mql()
    run(lead)
    run(lead)
    state = LeadState.objects.get(pk=lead.pk)
    assert (state.owner_sdr_id, state.team_sdr_id) == (None, team.pk)
    assert [decision.result for decision in owner_decisions(lead)] == ["Sul"]


def test_a_person_kept_from_a_file_is_no_owner(in_tenant: Any) -> None:
    sdr = make_member()
    kept = KeptPerson.objects.create(text="sdr-17")
    lead = make_mql(standing={"kept_sdr": kept})
    run(lead)
    assert sdr_of(lead) == sdr.pk


def test_a_lead_that_comes_back_keeps_its_sdr_while_she_is_active(in_tenant: Any) -> None:
    earlier, other = make_member(), make_member()
    lead = make_mql(standing={"owner_sdr": earlier})
    run(lead)
    assert (sdr_of(lead), owner_decisions(lead)) == (earlier.pk, [])
    Membership.objects.filter(pk=earlier.pk).update(is_active=False)
    run(lead)
    assert sdr_of(lead) == other.pk
    part = explain_part(part="owner", lead_id=lead.pk, now=NOW)[0]
    assert [each.id for each in part.rules] == ["former", "turn"]


def test_nobody_available_is_told_once_and_mended_by_the_next_run(in_tenant: Any) -> None:
    boss = admin()
    Pool.objects.filter(key="sdr-fallback").update(takes="members")
    lead = make_mql()
    run(lead)
    run(lead)
    assert [decision.detail["how"] for decision in owner_decisions(lead)] == ["nobody"]
    assert list(
        Notification.objects.filter(kind="routing.nobody").values_list("member_id", "values__count")
    ) == [(boss.pk, 1)]
    part = explain_part(part="owner", lead_id=lead.pk, now=NOW)[0]
    assert (part.result, part.words) == ("", "Nobody")
    sdr = make_member()
    PoolMember.objects.create(pool=Pool.objects.get(key="sdr-fallback"), member=sdr)
    run(lead)
    assert sdr_of(lead) == sdr.pk


def test_leads_of_a_person_who_leaves_go_to_the_next_at_once(tenant: Any, in_tenant: Any) -> None:
    leaves, stays = make_member(), make_member()
    lead, history = (
        make_mql(standing={"owner_sdr": leaves}),
        make_mql(standing={"owner_sdr": leaves}, is_live=False),
    )
    deactivate_member(member=leaves, by=admin(), now=NOW)
    assert sweep_tenant(tenant_id=tenant.pk, now=NOW) == 1
    assert sweep_tenant(tenant_id=tenant.pk, now=NOW + timedelta(hours=1)) == 0
    assert (sdr_of(lead), sdr_of(history)) == (stays.pk, leaves.pk)


def test_why_her_names_rule_inputs_pool_and_turn(in_tenant: Any) -> None:
    ana, bia = make_member(name="Ana"), make_member(name="Bia")
    make_pool(members=[ana, bia])
    publish(
        rule(id="portugal", when={"fact": "country", "op": "eq", "value": "PT"}, to={"member": ana.pk}),
        rule(id="large", when=LARGE, to={"pool": "enterprise"}),
    )
    first, second = (make_mql(company=make_company(size=900)) for _ in range(2))
    run(first, second)
    part = explain_part(part="owner", lead_id=second.pk, now=NOW)[0]
    assert (part.title, part.result, part.version, part.at) == ("SDR", "Bia", 2, NOW)
    portugal, large, turn = part.rules
    assert (portugal.verdict, portugal.effect) == ("unknown", "")
    assert (large.verdict, large.effect) == ("true", "to the pool Enterprise")
    assert large.inputs == [{"label": "Company size", "value": "900"}]
    assert turn.effect == "Bia, turn 2"
    assert turn.inputs == [{"label": "Bia", "value": "no turn yet"}, {"label": "Ana", "value": "last turn 1"}]


def test_rules_name_only_what_the_tenant_has(tenant: Any, other_tenant: Any) -> None:
    with tenant_scope(other_tenant.pk):
        make_pool(key="theirs")
        foreign = make_member()
    with tenant_scope(tenant.pk):
        document = {
            "rules": [rule(id="a", to={"pool": "theirs"}), rule(id="b", to={"member": foreign.pk})],
            "fallback": {"sdr": "theirs", "sales": "sales-fallback"},
        }
        with pytest.raises(InvalidDocument) as refused:
            save_draft(kind=RuleKind.ROUTING, document=document, by=None, now=NOW)
        paths = [problem.field for problem in refused.value.errors]
        assert paths == ["rules[0].to.pool", "rules[1].to.member", "fallback.sdr"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"rules": [{"id": "x"}]}, "rules[0]"),
        ({"rules": [rule(id="No good", to={"pool": "p"})]}, "rules[0].id"),
        ({"rules": [rule(to={"pool": "p", "team": 1})]}, "rules[0].to"),
        ({"rules": [rule(to={"member": True})]}, "rules[0].to"),
        ({"rules": [rule(to={"pool": "p"}, function="marketing")]}, "rules[0].function"),
        (
            {"rules": [rule(to={"pool": "p"}, when={"fact": "nope", "op": "eq", "value": 1})]},
            "rules[0].when.fact",
        ),
        ({"rules": [rule(to={"pool": "p"}), rule(to={"pool": "p"})]}, "rules"),
        ({"fallback": {"sdr": "sdr-fallback"}}, "fallback"),
    ],
)
def test_a_bad_document_is_refused_by_its_path(in_tenant: Any, change: dict[str, Any], path: str) -> None:
    document = {"rules": [], "fallback": FALLBACK} | change
    with pytest.raises(InvalidDocument) as refused:
        save_draft(kind=RuleKind.ROUTING, document=document, by=None, now=NOW)
    assert [problem.field for problem in refused.value.errors] == [path]


def test_the_other_tenants_people_and_turns_are_untouched(tenant: Any, other_tenant: Any) -> None:
    with tenant_scope(other_tenant.pk):
        make_member()
        theirs = make_mql()
    with tenant_scope(tenant.pk):
        mine = make_mql()
        run_pipeline(lead_ids=[mine.pk, theirs.pk], reason=Reason("event"), now=NOW)
        assert sdr_of(mine) == admin().pk
    with tenant_scope(other_tenant.pk):
        assert sdr_of(theirs) is None
        assert Pool.objects.get(key="sdr-fallback").turn == 0
        assert not owner_decisions(theirs)


@pytest.mark.django_db(transaction=True)
def test_two_leads_at_the_same_moment_go_to_two_people(tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        members = [make_member() for _ in range(4)]
        make_pool(members=members)
        publish(rule(to={"pool": "enterprise"}))
        leads = [make_mql() for _ in range(8)]
    # Each thread reaches the step at the same moment and holds its transaction open until the other waits or is through.
    start = threading.Barrier(2)
    errors: list[BaseException] = []

    def work(mine: Sequence[Lead]) -> None:
        try:
            for lead in mine:
                start.wait(timeout=20)
                with tenant_scope(tenant.pk):
                    run(lead)
        except BaseException as error:  # noqa: BLE001 - told to the test
            errors.append(error)
            start.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(leads[half::2],)) for half in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not errors
    with tenant_scope(tenant.pk):
        assert Counter(sdr_of(lead) for lead in leads) == {member.pk: 2 for member in members}
        turns = sorted(decision.detail["turn"] for lead in leads for decision in owner_decisions(lead))
        assert turns == list(range(1, 9))
