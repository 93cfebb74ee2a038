"""The options of an import, read against the header of its file."""

import pytest

from leads.capture.columns import DateFormat
from leads.capture.mapping import ColumnPlan, InvalidOption, plan_columns

FIELDS = ("external_id", "email", "origin", "created_at", "custom.plants")


def test_a_header_that_is_exactly_a_field_maps_itself_and_nothing_is_guessed() -> None:
    plan = plan_columns(columns=["email", "Origin", "custom.plants", "E-mail"], fields=FIELDS)
    assert plan.sources == {"email": "email", "custom.plants": "custom.plants"}
    assert plan.unmapped == ("Origin", "E-mail")
    assert plan.created == ()


def test_map_is_split_at_the_last_equals_sign_and_columns_may_hold_spaces() -> None:
    plan = plan_columns(
        columns=["Prospect ID", "a=b", "email"], fields=FIELDS, maps=["Prospect ID=external_id", "a=b=origin"]
    )
    assert plan.sources == {"external_id": "Prospect ID", "origin": "a=b", "email": "email"}


def test_a_map_goes_before_the_header() -> None:
    plan = plan_columns(
        columns=["email", "Mail", "origin"], fields=FIELDS, maps=["Mail=email", "origin=custom.plants"]
    )
    assert plan.sources == {"email": "Mail", "custom.plants": "origin"}
    assert plan.unmapped == ("email",)


def test_one_column_may_fill_two_fields() -> None:
    plan = plan_columns(columns=["id"], fields=FIELDS, maps=["id=external_id", "id=custom.plants"])
    assert plan.read_row({"id": " 7 "}) == {"external_id": "7", "custom.plants": "7"}


def test_create_fields_names_every_other_column() -> None:
    plan = plan_columns(
        columns=["Prospect ID", "Região", "regiao", "Plants", "email"],
        fields=FIELDS,
        maps=["Prospect ID=external_id"],
        create_fields=True,
    )
    assert plan.sources == {
        "external_id": "Prospect ID",
        "email": "email",
        "custom.regiao": "Região",
        "custom.regiao_2": "regiao",
        "custom.plants": "Plants",
    }
    # The tenant has custom.plants already: the second import of a file fills the fields that the first one made.
    assert plan.created == ("custom.regiao", "custom.regiao_2")
    assert plan.unmapped == ()


def test_create_fields_may_be_given_a_name_by_map() -> None:
    plan = plan_columns(columns=["UF", "area"], fields=FIELDS, maps=["UF=custom.area"], create_fields=True)
    assert plan.sources == {"custom.area": "UF", "custom.area_2": "area"}
    assert plan.created == ("custom.area", "custom.area_2")


def test_values_are_replaced_by_exact_text_after_trimming() -> None:
    plan = plan_columns(
        columns=["Source", "Source:x"],
        fields=FIELDS,
        values=["Source:Google=google", "Source:x:a=b=c", "Source: Paid Ads = paid", "Source:gone="],
    )
    assert plan.clean("Source", " Google ") == "google"
    assert plan.clean("Source", "google") == "google"
    assert plan.clean("Source", "GOOGLE") == "GOOGLE"
    assert plan.clean("Source", "Paid Ads") == "paid"
    assert plan.clean("Source", "gone") == ""
    # The longest column name that fits wins, then the last equals sign.
    assert plan.clean("Source:x", "a=b") == "c"


def test_blanks_hold_in_one_column_or_in_all() -> None:
    plan = plan_columns(
        columns=["A", "A=B", "C"],
        fields=FIELDS,
        blanks=["Select", "A=B=none", "A=-", "D=x"],
        values=["C:Select=kept"],
    )
    assert [plan.clean(column, " Select ") for column in ("A", "A=B", "C")] == ["", "", "kept"]
    assert plan.clean("A=B", "none") == ""
    assert plan.clean("A", "none") == "none"
    assert (plan.clean("A", "-"), plan.clean("C", "-")) == ("", "-")
    # No column D: the whole text is what is blank.
    assert plan.clean("C", "D=x") == ""
    assert plan.clean("C", "   ") == ""


def test_a_row_is_read_without_its_blanks() -> None:
    plan = plan_columns(columns=["email", "origin", "x"], fields=FIELDS, blanks=["Select"])
    assert plan.read_row({"email": " Ana@x.com ", "origin": "Select", "x": "1"}) == {"email": "Ana@x.com"}


def test_date_formats_hold_for_one_column_or_for_all() -> None:
    plan = plan_columns(columns=["a", "b c"], fields=FIELDS, date_formats=["dmy", "b c=mdy"])
    assert plan.date_format_of("a") is DateFormat.DMY
    assert plan.date_format_of("b c") is DateFormat.MDY
    assert plan_columns(columns=["a"], fields=FIELDS).date_format_of("a") is None


def plan_with(option: str, text: str | list[str]) -> ColumnPlan:
    texts = [text] if isinstance(text, str) else text
    return plan_columns(columns=["Mail", "Source"], fields=FIELDS, **{option: texts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("maps", "email", "write COLUMN=FIELD"),
        ("maps", "Mail=", "write COLUMN=FIELD"),
        ("maps", "=email", "write COLUMN=FIELD"),
        ("maps", "Mial=email", "no column “Mial”. Did you mean “Mail”"),
        ("maps", "zzz=email", "It has: “Mail”, “Source”"),
        ("maps", "Mail=emial", "no field emial. Did you mean email"),
        ("maps", "Mail=zzz", "There are: created_at"),
        ("maps", "Mail=custom.new", "custom.new is not defined"),
        ("maps", ["Mail=email", "Source=email"], "already filled by the column “Mail”"),
        ("values", "Source=x", "write COLUMN:RAW=VALUE, with a column"),
        ("values", "Sauce:x=y", "with a column of the file: “Mail”, “Source”"),
        ("values", "Source:x", "write COLUMN:RAW=VALUE"),
        ("values", "Source:=x", "write COLUMN:RAW=VALUE"),
        ("values", ["Source:x=a", "Source:x=b"], "another value"),
        ("blanks", " ", "say what is to be read as blank"),
        ("blanks", "Source=", "say what is to be read as blank"),
        ("date_formats", "ydm", "write ymd, dmy or mdy"),
        ("date_formats", "Sorce=dmy", "Did you mean “Source”"),
        ("date_formats", ["Mail=dmy", "Mail=mdy"], "another format"),
        ("date_formats", ["dmy", "mdy"], "another format"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_saying_how_to_mend_it(
    option: str, text: str | list[str], message: str
) -> None:
    with pytest.raises(InvalidOption, match=message.replace("?", r"\?")):
        plan_with(option, text)


def test_a_text_that_is_both_replaced_and_blank_in_a_column_is_refused() -> None:
    with pytest.raises(InvalidOption, match="both a --value and a --blank"):
        plan_columns(columns=["A"], fields=FIELDS, values=["A:x=y"], blanks=["A=x"])


def test_a_created_field_given_by_map_needs_a_plain_name() -> None:
    with pytest.raises(InvalidOption, match="lower-case letters"):
        plan_columns(columns=["A"], fields=FIELDS, maps=["A=custom.Não"], create_fields=True)
