"""CSV files as people have them: encodings, delimiters, quotes, and rows that cannot be read."""

import csv
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leads.capture import files
from leads.capture.files import Table, UnreadableFile, find_table, open_table

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes) -> Path:
        path = tmp_path / "file.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def values_of(table: Table) -> list[dict[str, str]]:
    return [row.values for row in table.rows()]


PEOPLE = "nome;cidade;observação\n" + (
    "José;São Paulo;Não há informações\nConceição;Goiânia;ação imediata às 10h\nÉrica;BRASÍLIA;“ok” – R$ 10\n"
)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_accents_survive_every_encoding(write: Write, encoding: str) -> None:
    table = open_table(write(PEOPLE.encode(encoding)))
    assert table.columns == ("nome", "cidade", "observação")
    assert values_of(table)[0] == {"nome": "José", "cidade": "São Paulo", "observação": "Não há informações"}
    assert values_of(table)[2]["observação"] == "“ok” – R$ 10"


@pytest.mark.parametrize("encoding", ["cp850", "mac_roman"])
def test_the_encodings_of_older_spreadsheets_are_told_from_windows(write: Write, encoding: str) -> None:
    text = PEOPLE.replace("“ok” –", "ok -")
    assert values_of(open_table(write(text.encode(encoding))))[1]["nome"] == "Conceição"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "имя;город\n" + "Привет;Москва\nИван Петров;Санкт-Петербург\n" * 5),
        ("cp1250", "imię;miasto\n" + "Łukasz;Łódź\nŚwiętosława;Poznań, źródło\nZażółć;gęślą jaźń\n" * 5),
        ("shift_jis", "名前;都市\n" + "田中太郎;東京都\n佐藤花子;大阪府\n" * 5),
        ("gb18030", "姓名;城市\n" + "张伟;北京市\n王芳;上海市\n" * 5),
    ],
)
def test_other_scripts_are_recognised(write: Write, encoding: str, text: str) -> None:
    table = open_table(write(text.encode(encoding)))
    assert list(table.columns) == text.splitlines()[0].split(";")
    assert list(values_of(table)[1].values()) == text.splitlines()[2].split(";")


def test_an_accent_after_a_megabyte_of_plain_text_is_still_read(write: Write) -> None:
    content = b"a,b\n" + b"x,y\n" * 400_000 + "x,é\n".encode("cp1252")
    assert values_of(open_table(write(content)))[-1] == {"a": "x", "b": "é"}


def test_utf_8_with_a_few_broken_bytes_is_refused_rather_than_garbled(write: Write) -> None:
    content = b"a,b\n" + "São,José\n".encode() * 5 + b"S\xe3o,x\n"
    with pytest.raises(UnreadableFile, match="Save it again as UTF-8"):
        open_table(write(content))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(write: Write, delimiter: str) -> None:
    lines = [["name", "note"], ["Ana", "a, b; c | d"], ["Bia", ""]]
    text = "".join(delimiter.join(f'"{cell}"' for cell in line) + "\r\n" for line in lines)
    table = open_table(write(text))
    assert table.delimiter == delimiter
    assert values_of(table) == [{"name": "Ana", "note": "a, b; c | d"}, {"name": "Bia", "note": ""}]


def test_decimal_commas_do_not_pass_for_delimiters(write: Write) -> None:
    table = open_table(write("item;price\na;1,50\nb;2,75\n"))
    assert values_of(table) == [{"item": "a", "price": "1,50"}, {"item": "b", "price": "2,75"}]


def test_a_header_with_two_kinds_of_delimiter_is_decided_by_the_rows(write: Write) -> None:
    table = open_table(write("last, first;age\nSouza, Ana;31\nLima;40\nReis, Rui, Jr;50\n"))
    assert table.columns == ("last, first", "age")


def test_a_single_column_is_a_table_too(write: Write) -> None:
    assert values_of(open_table(write("email\nana@example.com\n"))) == [{"email": "ana@example.com"}]


def test_excels_separator_hint_is_obeyed_and_is_no_header(write: Write) -> None:
    table = open_table(write("sep=;\r\nemail\r\nana@example.com\r\n"))
    assert (table.delimiter, table.columns) == (";", ("email",))
    assert [row.number for row in table.rows()] == [2]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_and_a_missing_last_one(write: Write, end: str) -> None:
    assert values_of(open_table(write(f"a,b{end}1,2{end}3,4"))) == [
        {"a": "1", "b": "2"},
        {"a": "3", "b": "4"},
    ]


def test_quotes_hold_delimiters_line_ends_and_doubled_quotes(write: Write) -> None:
    table = open_table(write('a,b\n"x, ""y""\r\nz", "w"\n'))
    assert values_of(table) == [{"a": 'x, "y"\r\nz', "b": "w"}]


def test_empty_lines_are_passed_over_and_rows_keep_the_number_a_spreadsheet_shows(write: Write) -> None:
    table = open_table(write('\na,b\n\n1,"x\ny"\n,\n   \n2,z\n\n'))
    assert [(row.number, row.values["a"]) for row in table.rows()] == [(4, "1"), (7, "2")]
    assert table.row_count == 2


def test_rows_of_a_wrong_width_are_refused_one_by_one(write: Write) -> None:
    table = open_table(write("a,b,c\n1,2\n1,2,3\n1,2,3,4\n1,2,3,,\n"))
    rows = list(table.rows())
    assert [row.refusal is None for row in rows] == [False, True, False, True]
    assert rows[0].values == {"a": "1", "b": "2"}
    assert "2 cells, the header 3" in (rows[0].refusal or "")
    assert rows[2].values == {"a": "1", "b": "2", "c": "3", "column 4": "4"}
    assert table.row_count == 4


def test_a_quote_that_is_not_doubled_refuses_its_row_only(write: Write) -> None:
    rows = list(open_table(write('a,b\n"5" pipe",x\n1,2\n')).rows())
    assert "isn't doubled" in (rows[0].refusal or "")
    assert rows[1] == (3, {"a": "1", "b": "2"}, None)


@pytest.mark.parametrize(
    "content",
    [
        'a,b\n1,2\n"never closed,3\n4,5\n',
        'a,b\n"5 inch,3\n4,5\n6,"7"\n',
        'a,b\n1,"' + "x\n" * 100_000,
    ],
)
def test_a_quote_that_swallows_rows_refuses_the_file(write: Write, content: str) -> None:
    with pytest.raises(UnreadableFile, match="is never closed"):
        open_table(write(content))


def test_a_nul_refuses_its_row_and_is_shown_as_a_mark(write: Write) -> None:
    rows = list(open_table(write("a,b\n1,x\0y\n2,z\n")).rows())
    assert "NUL" in (rows[0].refusal or "")
    assert rows[0].values == {"a": "1", "b": "x\ufffdy"}
    assert rows[1].refusal is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n\r\n  \n", "empty"),
        (b"a,b,a\n1,2,3\n", "named “a”"),
        (b"a, a\n1,2\n", "named “a”"),
        (b"a,,c\n1,2,3\n", "Column 2 has no name"),
        (b",a\n1,2\n", "Column 1 has no name"),
        (b"a,b\0\n1,2\n", "header can't be read"),
        (b"PK\x03\x04whatever", "XLSX"),
        (b"%PDF-1.7", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "XLS"),
        (b"\xef\xbb\xbfa,b\n\xff\xfe,1\n", "isn't readable as utf-8"),
        ("x" * 501 + ",b\n1,2\n", "longer than 500"),
        (",".join(f"c{each}" for each in range(1001)), "more than 1000 columns"),
    ],
)
def test_files_that_are_no_table_are_refused_with_the_reason(
    write: Write, content: bytes | str, message: str
) -> None:
    with pytest.raises(UnreadableFile, match=message):
        open_table(write(content))


def test_missing_files_and_folders_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        open_table(tmp_path / "absent.csv")
    with pytest.raises(UnreadableFile, match="directory"):
        open_table(tmp_path)


def test_files_and_lines_beyond_the_limits_are_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a,b\n" + "x" * 3000 + ",1\n")
    monkeypatch.setattr(files, "MAX_LINE_CHARACTERS", 1000)
    with pytest.raises(UnreadableFile, match="longer than 1000"):
        open_table(path)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 1000)
    with pytest.raises(UnreadableFile, match="larger than"):
        open_table(path)


def test_a_header_alone_is_a_table_without_rows(write: Write) -> None:
    table = open_table(write("a,b\n"))
    assert (table.columns, table.row_count, list(table.rows())) == (("a", "b"), 0, [])


def test_some_rows_are_read_without_the_others(write: Write) -> None:
    table = find_table(write("a,b\n1,x\n\n2\n3,z\n4,z\n"))
    assert table.row_count is None
    assert [row.number for row in table.rows([False, True, True])] == [4, 5]


def test_rows_can_be_read_again(write: Write) -> None:
    table = open_table(write("a\n1\n2\n"))
    assert values_of(table) == values_of(table) == [{"a": "1"}, {"a": "2"}]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, cells, cells), max_size=8),
    delimiter=st.sampled_from(files.DELIMITERS),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path: Path, rows: list[tuple[str, str, str]], delimiter: str, end: str
) -> None:
    path = tmp_path / "file.csv"
    with path.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([("one", "two", "three"), *rows])
    expected = [list(row) for row in rows if any(cell.strip() for cell in row)]
    table = open_table(path)
    assert [list(row.values.values()) for row in table.rows()] == expected
    assert table.row_count == len(expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(content=st.binary(max_size=200) | st.text('ab,;"\n\r\t |\0é=', max_size=80).map(str.encode))
def test_no_content_makes_it_crash(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with suppress(UnreadableFile):
        table = open_table(path)
        assert len(list(table.rows())) == table.row_count


# Real files


def real_data() -> Path:
    folder = os.environ.get("LEADSYS_REAL_DATA")
    if not folder:
        pytest.skip("LEADSYS_REAL_DATA is not set")
    return Path(folder)


@pytest.mark.real_data
def test_every_awkward_csv_gives_its_json() -> None:
    folder = real_data() / "csv-spectrum"
    paths = [each for each in sorted(folder.glob("csvs/*.csv")) if each.stem != "location_coordinates"]
    assert len(paths) == 11
    for path in paths:
        expected = json.loads((folder / "json" / f"{path.stem}.json").read_text(encoding="utf-8"))
        assert (path.stem, values_of(open_table(path))) == (path.stem, expected)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "columns", "rows"),
    [
        ("olist/olist_mql_until_2018-03.csv", 4, 5345),
        ("olist/olist_mql_resaved_by_others.csv", 4, 5345),
        ("olist/olist_deals_until_2018-03.csv", 14, 529),
        ("olist/olist_sellers_dataset.csv", 4, 3095),
        ("xeducation/xeducation_oldest70.csv", 37, 6468),
        ("salvirt/salvirt_b2b_448.csv", 23, 448),
        ("maven/accounts.csv", 7, 85),
        ("maven/sales_pipeline.csv", 8, 8800),
        ("maven/products.csv", 3, 7),
        ("maven/sales_teams.csv", 3, 35),
        ("geo/estados.csv", 6, 27),
        ("geo/municipios.csv", 9, 5571),
    ],
)
def test_the_real_files_are_read_without_a_refused_row(name: str, columns: int, rows: int) -> None:
    table = open_table(real_data() / name)
    assert (len(table.columns), table.row_count) == (columns, rows)
    assert [row for row in table.rows() if row.refusal] == []
    assert not table.columns[0].startswith("\ufeff")
