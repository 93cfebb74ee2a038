"""Views of lists: kept, changed, shared, deleted; which one a list opens with; which columns one sees."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.models import ListPreference, SavedView
from core.saved_views.kinds import ListKind, get_kind
from tenancy.audit import record
from tenancy.errors import Conflict, FieldProblem, Forbidden, Invalid, NotFound
from tenancy.models import Membership, Team
from tenancy.rights import may

Sharing = SavedView.Sharing
# To keep the menu a menu, and an address an address.
MAX_VIEWS: Final = 100
MAX_TEXT: Final = 20_000
NO_VIEW: Final = ""
VIEW_ACTS: Final = {
    "view.shared": gettext_lazy("Shared the view %(subject)s"),
    "view.changed": gettext_lazy("Changed the shared view %(subject)s"),
    "view.deleted": gettext_lazy("Deleted the shared view %(subject)s"),
}


class NoSuchView(NotFound):
    """There is no such view, or it is not shared with this person."""


class InvalidView(Invalid):
    """A view that cannot be kept as it is described."""


class ViewNameTaken(Conflict):
    """One has a view of this name already."""


class NotYourView(Forbidden):
    """The view is somebody else's, or sharing it is not this person's to do."""


def list_views(*, kind: ListKind, member: Membership) -> list[SavedView]:
    """The views of a list that a member sees, their own first, by name."""
    views = SavedView.objects.filter(_seen_by(member), kind=kind.key).select_related("made_by", "team")
    return sorted(views, key=lambda view: (view.made_by_id != member.pk, view.name.casefold(), view.pk))


def get_view(*, view_id: int, member: Membership, kind: ListKind | None = None) -> SavedView:
    """One view that a member sees. Raises NoSuchView."""
    views = SavedView.objects.filter(_seen_by(member), pk=view_id).select_related("made_by", "team")
    view: SavedView | None = views.first()
    if view is None or (kind is not None and view.kind != kind.key):
        raise NoSuchView(_("There is no such view, or it is no longer shared with you."))
    return view


def _seen_by(member: Membership) -> Q:
    seen = Q(made_by=member) | Q(sharing=Sharing.EVERYONE)
    if may(member, "view.manage"):
        return seen | Q(sharing=Sharing.TEAM)
    return seen | Q(sharing=Sharing.TEAM, team__in=member.team_places.values("team"))


def may_change(*, view: SavedView, member: Membership) -> bool:
    """Whether a member may change or delete a view: one's own, or a shared one as whoever looks after them."""
    is_shared = view.sharing != Sharing.ME
    return bool(view.made_by_id == member.pk or (is_shared and may(member, "view.manage")))


def require_change(*, view: SavedView, member: Membership) -> None:
    """Raise NotYourView unless the member may change the view."""
    if not may_change(view=view, member=member):
        raise NotYourView(
            _("%(name)s made this view. Save it as a view of your own.") % {"name": view.made_by.name}
        )


def make_view(
    *,
    kind: ListKind,
    name: str,
    parameters: Mapping[str, str],
    columns: Sequence[str],
    sharing: str,
    team_id: int | None,
    by: Membership,
    now: datetime,
) -> SavedView:
    """Keep a list as it is shown. ``columns`` may be empty for the usual ones. Raises InvalidView, ViewNameTaken, NotYourView."""
    if SavedView.objects.filter(kind=kind.key, made_by=by).count() >= MAX_VIEWS:
        raise InvalidView(
            _("You have %(most)s views of this list. Delete one you no longer use.") % {"most": MAX_VIEWS}
        )
    view = SavedView(
        kind=kind.key,
        made_by=by,
        made_at=now,
        changed_at=now,
        parameters=read_parameters(kind=kind, given=parameters, by=by),
        columns=read_columns(kind=kind, given=columns),
    )
    _describe(view, name, sharing, team_id, by)
    view.save()
    _record("view.shared", view, by, now)
    return view


def change_view(
    *,
    view: SavedView,
    by: Membership,
    now: datetime,
    name: str | None = None,
    sharing: str | None = None,
    team_id: int | None = None,
    parameters: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
) -> None:
    """Change what is given of a view. Raises InvalidView, ViewNameTaken, NotYourView."""
    require_change(view=view, member=by)
    kind = get_kind(view.kind)
    was_shared = view.sharing != Sharing.ME
    if parameters is not None:
        view.parameters = read_parameters(kind=kind, given=parameters, by=by)
    if columns is not None:
        view.columns = read_columns(kind=kind, given=columns)
    if name is not None or sharing is not None:
        team = team_id if sharing is not None else view.team_id
        _describe(view, view.name if name is None else name, sharing or view.sharing, team, by)
    view.changed_at = now
    view.save()
    if was_shared or view.sharing != Sharing.ME:
        _record("view.changed" if was_shared else "view.shared", view, by, now)


def delete_view(*, view: SavedView, by: Membership, now: datetime) -> None:
    """Delete a view; the lists that opened with it open with everything. Raises NotYourView."""
    require_change(view=view, member=by)
    _record("view.deleted", view, by, now)
    view.delete()


def open_with(*, kind: ListKind, view: SavedView | None, by: Membership) -> None:
    """Let a list open with a view for one member; None for everything."""
    ListPreference.objects.update_or_create(member=by, kind=kind.key, defaults={"opens_with": view})


def choose_columns(
    *, kind: ListKind, view: SavedView | None, columns: Sequence[str], by: Membership, now: datetime
) -> None:
    """Show these columns, in this order: for everybody who opens a view that one may change, else for oneself.

    None at all brings the usual ones back. Raises InvalidView.
    """
    chosen = read_columns(kind=kind, given=columns)
    if view is not None and may_change(view=view, member=by):
        change_view(view=view, columns=chosen, by=by, now=now)
        return
    with transaction.atomic():
        mine, _is_new = ListPreference.objects.select_for_update().get_or_create(member=by, kind=kind.key)
        where = str(view.pk) if view else NO_VIEW
        kept = {key: value for key, value in mine.columns.items() if key != where}
        mine.columns = kept | ({where: chosen} if chosen else {})
        mine.save(update_fields=["columns"])


def read_parameters(*, kind: ListKind, given: Mapping[str, str], by: Membership) -> dict[str, str]:
    """What an address says of a list, as a view keeps it. Raises InvalidView, and what the list refuses."""
    kept = {name: given[name].strip() for name in kind.parameters if given.get(name, "").strip()}
    if sum(map(len, kept.values())) > MAX_TEXT:
        raise InvalidView(_("This filter is too long to be kept."))
    kind.check(kept, by)
    return kept


def read_columns(*, kind: ListKind, given: Sequence[str]) -> list[str]:
    """Keys of columns of the list, each once, the one that is always shown first. Raises InvalidView for unknown ones."""
    known = [column.key for column in kind.columns()]
    if unknown := [key for key in given if key not in known]:
        message = _("There is no column “%(name)s”.") % {"name": unknown[0][:80]}
        raise InvalidView(message, errors=[FieldProblem("columns", "unknown", message)])
    return list(dict.fromkeys([known[0], *given])) if given else []


def _describe(view: SavedView, name: str, sharing: str, team_id: int | None, by: Membership) -> None:
    view.name = _read_name(name)
    taken = SavedView.objects.filter(kind=view.kind, made_by=view.made_by_id, name=view.name)
    if taken.exclude(pk=view.pk).exists():
        message = _("You have a view of this name. Choose another name.")
        raise ViewNameTaken(message, errors=[FieldProblem("name", "taken", message)])
    if sharing not in Sharing.values:
        message = _("Give one of %(values)s.") % {"values": ", ".join(Sharing.values)}
        raise InvalidView(message, errors=[FieldProblem("sharing", "unknown", message)])
    is_changed = (sharing, team_id) != (view.sharing, view.team_id)
    if sharing != Sharing.ME and is_changed and not may(by, "view.share"):
        raise NotYourView(_("Your roles do not include sharing views. Ask a manager."))
    team = Team.objects.filter(pk=team_id).first() if sharing == Sharing.TEAM and team_id else None
    if sharing == Sharing.TEAM and team is None:
        message = _("Choose the team.")
        raise InvalidView(message, errors=[FieldProblem("team", "required", message)])
    view.sharing, view.team = sharing, team


def _read_name(raw: str) -> str:
    name = " ".join(raw.split())
    most = SavedView._meta.get_field("name").max_length or 0
    if not name or len(name) > most:
        message = _("Give it a name of at most %(most)s characters.") % {"most": most}
        raise InvalidView(message, errors=[FieldProblem("name", "invalid", message)])
    return name


def _record(act: str, view: SavedView, by: Membership, now: datetime) -> None:
    """Views that only their maker sees are nobody else's business."""
    if view.sharing != Sharing.ME:
        team = view.team.name if view.team else ""
        record(act=act, subject=view.name, by=by, now=now, detail={"list": view.kind, "team": team})
