"""Opportunities as a board: columns with counts and sums, whose and since when, and the moves that one may make."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from leads.models import Opportunity, Stage
from tenancy.models import Membership
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member, make_team


def sign_in(member: Membership) -> Client:
    client = Client(headers={"accept-language": "en"})
    assert member.user is not None
    client.force_login(member.user)
    return client


def make_deal(
    rep: Membership | None, outcome: str, minor: int | None = None, currency: str = "BRL", days: int = 0
) -> Any:
    """A deal that was opened, or closed, so many days ago."""
    at = timezone.now() - timedelta(days=days)
    is_open = outcome == "open"
    stage = {"open": Stage.OPPORTUNITY, "won": Stage.CUSTOMER, "lost": Stage.NURTURE}[outcome]
    lead = make_lead(stage=stage, standing={"owner_sales": rep})
    Opportunity.objects.create(
        lead=lead,
        outcome=outcome,
        opened_at=at,
        closed_at=None if is_open else at,
        amount_minor=minor,
        currency=currency if minor else None,
        sales_rep=rep,
        reason="no_budget" if outcome == "lost" else "",
    )
    return lead


@pytest.fixture
def reps(tenant: Any) -> tuple[Membership, Membership]:
    with tenant_scope(tenant.pk):
        return make_member(role="sales", name="Diego"), make_member(role="sales", name="Rita")


def columns(page: Any) -> dict[str, Any]:
    return {column.key: column for column in page.context["columns"]}


def test_the_board_counts_adds_up_and_offers_only_the_moves_one_may_make(
    tenant: Any, reps: tuple[Membership, Membership]
) -> None:
    diego, rita = reps
    with tenant_scope(tenant.pk):
        mine, hers = make_deal(diego, "open"), make_deal(rita, "open")
        for rep, minor, currency in ((diego, 100_00, "BRL"), (rita, 250_50, "BRL"), (rita, 7_00, "USD")):
            make_deal(rep, "won", minor, currency)
        make_deal(diego, "won", 900_00, days=900)
        make_deal(diego, "lost")
        offered = make_lead(stage=Stage.SALES_QUALIFIED, standing={"owner_sales": diego})
        make_lead(stage=Stage.SALES_QUALIFIED, standing={"owner_sales": rita})
        team = make_team(function="sales", members=[rita])
        make_lead(stage=Stage.SALES_QUALIFIED, standing={"team_sales": team})
    board = "/t/horizonte/opportunities/board/"
    page = sign_in(diego).get(board)
    shown = columns(page)
    assert [(key, column.count) for key, column in shown.items()] == [
        ("offered", "3"),
        ("open", "2"),
        ("won", "3"),
        ("lost", "1"),
    ]
    assert shown["won"].sums == ["BRL 350.50", "USD 7.00"]
    moves = {
        card.url: [move.label for move in card.moves]
        for key in ("offered", "open")
        for card in shown[key].cards
    }
    lead_page = "/t/horizonte/leads/{}/".format
    assert moves[lead_page(mine.pk)] == ["Win", "Lose"]
    assert moves[lead_page(offered.pk)] == ["Accept", "Reject"]
    assert [each for each in moves.values() if each] == [["Accept", "Reject"], ["Win", "Lose"]]
    assert shown["lost"].cards[0].reason == "No budget"
    rita_moves = {card.url for card in columns(sign_in(rita).get(board))["open"].cards if card.moves}
    assert rita_moves == {lead_page(hers.pk)}
    assert sum(bool(card.moves) for card in columns(sign_in(rita).get(board))["offered"].cards) == 2

    own = columns(sign_in(diego).get(board, {"owner": "me", "period": "all"}))
    assert [column.count for column in own.values()] == ["1", "1", "2", "1"]
    assert own["won"].sums == ["BRL 1,000.00"]
    hers_only = columns(sign_in(diego).get(board, {"owner": str(rita.pk)}))
    assert [column.count for column in hers_only.values()] == ["1", "1", "2", "0"]
    # Every column's number opens its rows.
    browser = sign_in(diego)
    for key, number in (("won", 3), ("lost", 1), ("open", 2)):
        rows = browser.get(shown[key].url).context["listing"].rows
        assert len(rows) == number, key


def test_who_sells_nothing_sees_the_board_without_moves(
    tenant: Any, reps: tuple[Membership, Membership]
) -> None:
    with tenant_scope(tenant.pk):
        make_deal(reps[0], "open")
        viewer, manager = make_member(role="viewer"), make_member(role="manager")
    page = sign_in(viewer).get("/t/horizonte/opportunities/board/").content.decode()
    assert "data-board-move" not in page
    assert (
        len(
            re.findall(
                "data-board-move", sign_in(manager).get("/t/horizonte/opportunities/board/").content.decode()
            )
        )
        == 2
    )
