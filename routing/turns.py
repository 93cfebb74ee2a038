"""Fair turns: pools locked, the member who has waited longest gets the next lead.

Whoever shares leads out locks the pools' rows first, in id order, and takes the counters from the locked rows: two who share
out at the same moment do so one after the other, so no member gets two leads while another waits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, F, TextField

from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from routing.models import Pool, PoolMember, PoolTakes
from routing.staff import Staff
from tenancy.models import Role, TeamFunction
from tenancy.scope import require_tenant_id


@dataclass
class Place:
    """Somebody who stands in a pool now, and when they had their last turn there."""

    member_id: int
    position: int
    last_turn: int

    def order(self) -> tuple[int, int, int]:
        """Who has waited longest comes first; those who wait equally long stand in the pool's own order."""
        return (self.last_turn, self.position, self.member_id)


@dataclass
class OpenPool:
    """A locked pool with those who can take a lead: active members with the role of its function."""

    id: int
    key: str
    name: str
    function: TeamFunction
    turn: int
    places: list[Place]
    changed: dict[int, Place] = field(default_factory=dict)

    def next(self, *, but_not: int | None = None) -> Place | None:
        """Whose turn it is, one person left out."""
        return min(
            (place for place in self.places if place.member_id != but_not), key=Place.order, default=None
        )

    def take(self, place: Place) -> int:
        """Let a member have the turn; returns its number."""
        self.turn += 1
        place.last_turn = self.turn
        self.changed[place.member_id] = place
        return self.turn


def lock_pools(*, keys: Iterable[str], staff: Staff) -> dict[str, OpenPool]:
    """Lock pools in id order and read who stands in them; keys that name no pool are left out."""
    wanted = sorted(set(keys))
    locked = cached_statement(key="routing.pools", build=_pools_statement).rows(keys=wanted) if wanted else []
    pools = [_LockedPool(*row) for row in locked]
    if not pools:
        return {}
    # Read after the locks are held, in a statement of its own: the one that waited may have an old snapshot.
    turns: dict[int, dict[int, tuple[int, int]]] = {pool.pk: {} for pool in pools}
    places = cached_statement(key="routing.places", build=_places_statement)
    for pool_id, member_id, position, last_turn in places.rows(pools=list(turns)):
        turns[pool_id][member_id] = (position, last_turn)
    return {pool.key: _open(pool, turns[pool.pk], staff) for pool in pools}


class _LockedPool(NamedTuple):
    pk: int
    key: str
    name: str
    function: str
    takes: str
    turn: int


def _pools_statement() -> Statement:
    named = Pool.objects.filter(InList(F("key"), Param("keys", ArrayField(TextField()))))
    return Statement.of(named.select_for_update(no_key=True).order_by("pk").values_list(*_LockedPool._fields))


def _places_statement() -> Statement:
    standing = PoolMember.objects.filter(InList(F("pool_id"), Param("pools", ArrayField(BigIntegerField()))))
    return Statement.of(standing.order_by().values_list("pool_id", "member_id", "position", "last_turn"))


def _open(pool: _LockedPool, turns: dict[int, tuple[int, int]], staff: Staff) -> OpenPool:
    places = [
        Place(member_id, *turns.get(member_id, (0, 0)))
        for member_id in list_available(
            takes=pool.takes, function=pool.function, named=list(turns), staff=staff
        )
    ]
    return OpenPool(pool.pk, pool.key, pool.name, TeamFunction(pool.function), pool.turn, places)


def list_available(
    *, takes: PoolTakes | str, function: TeamFunction | str, named: Sequence[int], staff: Staff
) -> list[int]:
    """Who can take a lead of a pool: of its members, or of everyone, those who are active and have the role.

    While nobody of the tenant has the role, the administrators stand in a pool of everyone.
    """
    if takes == PoolTakes.FUNCTION:
        return staff.with_role(function) or staff.with_role(Role.ADMIN)
    return [member_id for member_id in named if staff.works_in(member_id, function)]


def write_turns(*, pools: Iterable[OpenPool]) -> None:
    """Keep the turns that were taken, in two statements."""
    changed = [pool for pool in pools if pool.changed]
    if not changed:
        return
    places = [(pool.id, place) for pool in changed for place in pool.changed.values()]
    _COUNT_TURNS.execute(pools=[pool.id for pool in changed], turns=[pool.turn for pool in changed])
    _KEEP_TURNS.execute(
        tenant=require_tenant_id(),
        pools=[pool_id for pool_id, _place in places],
        members=[place.member_id for _pool, place in places],
        positions=[place.position for _pool, place in places],
        turns=[place.last_turn for _pool, place in places],
    )
    for pool in changed:
        pool.changed.clear()


_COUNT_TURNS: Final = Statement.text("""
UPDATE routing_pool pool SET turn = taken.turn
FROM unnest(%(pools)s::bigint[], %(turns)s::bigint[]) AS taken (id, turn) WHERE pool.id = taken.id
""")
_KEEP_TURNS: Final = Statement.text("""
INSERT INTO routing_poolmember (tenant_id, pool_id, member_id, position, last_turn)
SELECT %(tenant)s::bigint, taken.*
FROM unnest(%(pools)s::bigint[], %(members)s::bigint[], %(positions)s::int[], %(turns)s::bigint[]) AS taken
ON CONFLICT (tenant_id, pool_id, member_id) DO UPDATE SET last_turn = EXCLUDED.last_turn
""")
