"""Lists of rows behind which leads stand: deals, companies, messages. What all of them do with an address is said here once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.functional import Promise

from core.saved_views.files import FilePart, column_file
from core.saved_views.kinds import ListKind, Parameters
from leads.listing import (
    EXACT_LIMIT_MS,
    InvalidListQuery,
    ListTooSlow,
    TookTooLong,
    count_in_time,
    limited_to,
)
from tenancy.errors import FieldProblem
from tenancy.keyset import Page
from tenancy.listing import CURSOR, Column, Count, FilterChip, ListError
from tenancy.models import Membership

Q = TypeVar("Q")
M = TypeVar("M", bound=Model)
PAGE_SIZE: Final = 50


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[Q, M]):
    """What an address of a list comes to: a page of rows, or why there is none; ``query`` None where it cannot be read."""

    query: Q | None = None
    page: Page[M] = field(default_factory=lambda: Page((), None, None))
    count: Count | None = None
    chips: Sequence[FilterChip] = ()
    error: ListError | None = None
    problems: Sequence[FieldProblem] = ()


@dataclass(frozen=True, kw_only=True)
class RowList(Generic[Q, M]):
    """One such list.

    ``read`` says what an address means and raises InvalidListQuery; ``matching`` are the rows that it leaves, ``page`` so many of
    them in order, after a cursor, and raises CursorRefused and ListTooSlow; ``is_fast`` says whether indexes serve them.
    ``chips`` are the filters in words, ``search`` what else is said of them in a line. ``leads`` are the ids of the leads behind
    rows, each once, and ``listed`` rows as the columns take them.
    """

    read: Callable[[Parameters, Membership, datetime], Q]
    matching: Callable[[Q, datetime], QuerySet[M]]
    page: Callable[[Q, datetime, str, int], Page[M]]
    is_fast: Callable[[Q], bool]
    chips: Callable[[Q], list[FilterChip]]
    search: Callable[[Q], list[str]]
    leads: Callable[[QuerySet[M]], QuerySet[Any, Any]]
    listed: Callable[[Sequence[M]], Sequence[Any]]

    def answer(self, given: Mapping[str, str], member: Membership, now: datetime) -> Answer[Q, M]:
        """The page that an address means, for the list's own page. Raises CursorRefused."""
        try:
            query = self.read(given, member, now)
        except InvalidListQuery as invalid:
            text = " ".join(str(each.message) for each in invalid.errors)
            return Answer(error=ListError(title=invalid.detail, text=text), problems=invalid.errors)
        try:
            page = self.page(query, now, given.get(CURSOR, ""), PAGE_SIZE)
        except ListTooSlow as slow:
            error = ListError(title=slow.title, text=slow.detail)
            return Answer(query=query, chips=self.chips(query), error=error)
        return Answer(query=query, page=page, count=self.count(query, now), chips=self.chips(query))

    def count(self, query: Q, now: datetime) -> Count | None:
        """How many rows there are, exact to 1,000; None when counting takes too long."""
        return count_in_time(self.matching(query, now), is_fast=self.is_fast(query))

    def kind(
        self,
        *,
        key: str,
        label: Promise,
        url_name: str,
        right: str,
        parameters: Sequence[str],
        columns: Callable[[], Sequence[Column]],
        usual: Callable[[Parameters], Sequence[str]],
    ) -> ListKind:
        """The list as one that is kept in views, taken out as a file, and begun acts from."""
        return ListKind(
            key=key,
            label=label,
            url_name=url_name,
            right=right,
            parameters=parameters,
            columns=columns,
            usual=usual,
            check=self._check,
            words=self._words,
            count=self._count_exactly,
            file=column_file(
                name=key,
                right="lead.export",
                columns=columns,
                rows=self._file_rows,
                count=lambda given, member, now: self.count(self.read(given, member, now), now),
            ),
            leads=lambda given, member, now: self.leads(self._all(given, member, now)),
        )

    def _check(self, given: Parameters, member: Membership) -> None:
        self.read(given, member, timezone.now())

    def _all(self, given: Parameters, member: Membership, now: datetime) -> QuerySet[M]:
        return self.matching(self.read(given, member, now), now).order_by()

    def _words(self, given: Parameters, member: Membership) -> str:
        """What narrows the list, in a line; why nothing does where that is not known any more."""
        try:
            query = self.read(given, member, timezone.now())
        except InvalidListQuery as invalid:
            return str(invalid.detail)
        return " · ".join([*self.search(query), *(str(chip.label) for chip in self.chips(query))])

    def _count_exactly(self, given: Parameters, member: Membership, now: datetime) -> int | None:
        try:
            with limited_to(EXACT_LIMIT_MS):
                return self._all(given, member, now).count()
        except TookTooLong:
            return None

    def _file_rows(self, part: FilePart) -> tuple[Sequence[Any], str | None]:
        query = self.read(part.parameters, part.member, part.now)
        page = self.page(query, part.now, part.cursor, part.size)
        return self.listed(page.rows), page.next_cursor
