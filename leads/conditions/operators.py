"""What can be asked of a fact, by the type of the fact."""

from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

Label = str | Promise


class FactType(StrEnum):
    """The type of a fact's value; decides its operators and how a value is checked, bound and shown."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    MONEY = "money"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    MEMBER = "member"
    TAGS = "tags"
    STAGE = "stage"
    GRADE = "grade"
    # A value that came in as it pleased: text that may be compared as a number where it is one.
    PROPERTY = "property"


class Arity(StrEnum):
    """How many values an operator takes."""

    NONE = "none"
    ONE = "one"
    TWO = "two"
    LIST = "list"


@dataclass(frozen=True)
class Operator:
    """One question. The sentences have places for ``fact`` and ``value``, or ``low`` and ``high`` when it takes two."""

    key: str
    label: Label
    arity: Arity
    sentence: Label
    negated: Label
    # Days in place of a value of the fact's type.
    takes_days: bool = False
    # Served by leakproof operators, so that an index may be used under row security.
    is_fast: bool = True


EQ = Operator("eq", _("is"), Arity.ONE, _("%(fact)s is %(value)s"), _("%(fact)s is not %(value)s"))
NE = Operator("ne", _("is not"), Arity.ONE, _("%(fact)s is not %(value)s"), _("%(fact)s is %(value)s"))
IN = Operator(
    "in", _("is one of"), Arity.LIST, _("%(fact)s is one of %(value)s"), _("%(fact)s is none of %(value)s")
)
NOT_IN = Operator(
    "not_in",
    _("is none of"),
    Arity.LIST,
    _("%(fact)s is none of %(value)s"),
    _("%(fact)s is one of %(value)s"),
)
STARTS_WITH = Operator(
    "starts_with",
    _("starts with"),
    Arity.ONE,
    _("%(fact)s starts with %(value)s"),
    _("%(fact)s does not start with %(value)s"),
)
CONTAINS = Operator(
    "contains",
    _("contains"),
    Arity.ONE,
    _("%(fact)s contains %(value)s"),
    _("%(fact)s does not contain %(value)s"),
    is_fast=False,
)
LT = Operator(
    "lt",
    _("is less than"),
    Arity.ONE,
    _("%(fact)s is less than %(value)s"),
    _("%(fact)s is %(value)s or more"),
)
LTE = Operator(
    "lte",
    _("is at most"),
    Arity.ONE,
    _("%(fact)s is %(value)s or less"),
    _("%(fact)s is more than %(value)s"),
)
GT = Operator(
    "gt",
    _("is more than"),
    Arity.ONE,
    _("%(fact)s is more than %(value)s"),
    _("%(fact)s is %(value)s or less"),
)
GTE = Operator(
    "gte",
    _("is at least"),
    Arity.ONE,
    _("%(fact)s is %(value)s or more"),
    _("%(fact)s is less than %(value)s"),
)
BETWEEN = Operator(
    "between",
    _("is between"),
    Arity.TWO,
    _("%(fact)s is between %(low)s and %(high)s"),
    _("%(fact)s is not between %(low)s and %(high)s"),
)
GRADE_LT = Operator(
    "lt",
    _("is worse than"),
    Arity.ONE,
    _("%(fact)s is worse than %(value)s"),
    _("%(fact)s is %(value)s or better"),
)
GRADE_LTE = Operator(
    "lte",
    _("is at most"),
    Arity.ONE,
    _("%(fact)s is %(value)s or worse"),
    _("%(fact)s is better than %(value)s"),
)
GRADE_GT = Operator(
    "gt",
    _("is better than"),
    Arity.ONE,
    _("%(fact)s is better than %(value)s"),
    _("%(fact)s is %(value)s or worse"),
)
GRADE_GTE = Operator(
    "gte",
    _("is at least"),
    Arity.ONE,
    _("%(fact)s is %(value)s or better"),
    _("%(fact)s is worse than %(value)s"),
)
BEFORE = Operator(
    "before",
    _("is before"),
    Arity.ONE,
    _("%(fact)s is before %(value)s"),
    _("%(fact)s is not before %(value)s"),
)
AFTER = Operator(
    "after", _("is after"), Arity.ONE, _("%(fact)s is after %(value)s"), _("%(fact)s is not after %(value)s")
)
ON = Operator("on", _("is on"), Arity.ONE, _("%(fact)s is on %(value)s"), _("%(fact)s is not on %(value)s"))
IN_LAST_DAYS = Operator(
    "in_last_days",
    pgettext_lazy("operator followed by a number of days", "is in the last days"),
    Arity.ONE,
    _("%(fact)s is in the last %(value)s days"),
    _("%(fact)s is not in the last %(value)s days"),
    takes_days=True,
)
MORE_THAN_DAYS_AGO = Operator(
    "more_than_days_ago",
    pgettext_lazy("operator followed by a number of days", "is more days ago than"),
    Arity.ONE,
    _("%(fact)s is more than %(value)s days ago"),
    _("%(fact)s is not more than %(value)s days ago"),
    takes_days=True,
)
IS_TRUE = Operator("is_true", _("is true"), Arity.NONE, _("%(fact)s is true"), _("%(fact)s is false"))
IS_FALSE = Operator("is_false", _("is false"), Arity.NONE, _("%(fact)s is false"), _("%(fact)s is true"))
HAS_ANY = Operator(
    "has_any",
    _("include any of"),
    Arity.LIST,
    _("%(fact)s include any of %(value)s"),
    _("%(fact)s include none of %(value)s"),
)
HAS_ALL = Operator(
    "has_all",
    _("include all of"),
    Arity.LIST,
    _("%(fact)s include all of %(value)s"),
    _("%(fact)s do not include all of %(value)s"),
)
HAS_NONE = Operator(
    "has_none",
    _("include none of"),
    Arity.LIST,
    _("%(fact)s include none of %(value)s"),
    _("%(fact)s include any of %(value)s"),
)
IS_KNOWN = Operator("is_known", _("is known"), Arity.NONE, _("%(fact)s is known"), _("%(fact)s is unknown"))
IS_UNKNOWN = Operator(
    "is_unknown", _("is unknown"), Arity.NONE, _("%(fact)s is unknown"), _("%(fact)s is known")
)

# Not asked of a fact that is always known.
ABOUT_KNOWING = (IS_KNOWN, IS_UNKNOWN)

_TEXT = (EQ, NE, IN, NOT_IN, STARTS_WITH, CONTAINS)
_NUMBER = (EQ, NE, LT, LTE, GT, GTE, BETWEEN)
_TIME = (BEFORE, AFTER, ON, IN_LAST_DAYS, MORE_THAN_DAYS_AGO)
_CHOICE = (EQ, NE, IN, NOT_IN)

OPERATORS: dict[FactType, tuple[Operator, ...]] = {
    FactType.TEXT: (*_TEXT, *ABOUT_KNOWING),
    FactType.INTEGER: (*_NUMBER, *ABOUT_KNOWING),
    FactType.DECIMAL: (*_NUMBER, *ABOUT_KNOWING),
    FactType.MONEY: (*_NUMBER, *ABOUT_KNOWING),
    FactType.DATE: (*_TIME, *ABOUT_KNOWING),
    FactType.DATETIME: (*_TIME, *ABOUT_KNOWING),
    FactType.BOOLEAN: (IS_TRUE, IS_FALSE, *ABOUT_KNOWING),
    FactType.CHOICE: (*_CHOICE, *ABOUT_KNOWING),
    FactType.MEMBER: (*_CHOICE, *ABOUT_KNOWING),
    FactType.TAGS: (HAS_ANY, HAS_ALL, HAS_NONE),
    FactType.STAGE: (EQ, IN, NOT_IN, *ABOUT_KNOWING),
    FactType.GRADE: (EQ, NE, GRADE_LT, GRADE_LTE, GRADE_GT, GRADE_GTE, BETWEEN, *ABOUT_KNOWING),
    FactType.PROPERTY: (*_TEXT, LT, LTE, GT, GTE, BETWEEN, *ABOUT_KNOWING),
}
# Compare a property as a number where it is one.
NUMERIC = frozenset({"lt", "lte", "gt", "gte", "between"})
