"""Four more kinds of work in whose middle something dies, begun over the API: acts on many leads, merging, erasing, exports.

Each leaves a check with the field: what must have come of it once all is quiet, whatever died on the way.
"""

import csv
import io
import json
import random
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.load import DEMO, NEWSLETTER
from tests.faults.work import Field, Oddity, Work


def _ask(at: Field, path: str, body: Any) -> Any:
    """The answer to something that is begun while all is well; None, and counted as refused, if it is not yes."""
    try:
        status, answer = at.load.place.post(path, body)
    except (OSError, ValueError) as error:
        status, answer = 0, repr(error)
    if status in {200, 202}:
        return answer
    at.load.book.refusals.append(f"{path}: {status} {str(answer)[:300]}")
    return None


def _make_leads(at: Field, bodies: list[dict[str, Any]]) -> list[int]:
    """Leads of which an act of this file tells what becomes of them; their ids."""
    at.load.book.others.update(body["email"] for body in bodies)
    answer = _ask(at, "/api/v1/leads/batch/", {"leads": bodies})
    return [result["id"] for result in answer["results"] if "id" in result] if answer else []


def _everybody(at: Field) -> set[str]:
    """The addresses of all leads that are there now."""
    rows = at.look("SELECT email FROM leads_lead WHERE tenant_id = %(tenant)s AND email IS NOT NULL")
    return {email for (email,) in rows}


# Acts on many leads ----------------------------------------------------------------------------------------------


def begin_bulk(at: Field, dice: random.Random) -> Work:
    """A tag for every lead there is, half of the time taken back; and some leads are put aside with a reason."""
    tag = f"lote {next(at.numbers)}"
    everybody = _everybody(at)
    fresh = [
        lead_id
        for (lead_id,) in at.eye.see_at_last(
            "SELECT state.lead_id FROM leads_leadstate state JOIN leads_lead lead ON lead.id = state.lead_id"
            " WHERE state.tenant_id = %(tenant)s AND state.stage = 'new' AND lead.email IS NOT NULL"
            " ORDER BY state.lead_id DESC LIMIT 300",
            {"tenant": at.tenant_id},
        )
    ]
    aside = {"reason": "junk", "note": tag}
    tagging = _ask(at, "/api/v1/bulk/", {"act": "add_tag", "values": {"tag": tag}, "all": True})
    leaving = fresh and _ask(
        at,
        "/api/v1/bulk/",
        {"act": "disqualify", "values": aside, "leads": dice.sample(fresh, min(len(fresh), 60))},
    )
    runs = [run["id"] for run in (tagging, leaving) if run]
    is_undone = bool(tagging) and dice.random() < 0.5
    if is_undone:
        at.load.ask(lambda: _undo_bulk(at, tagging["id"]))
    at.checks.append(lambda: _check_runs(at, runs))
    if tagging:
        at.checks.append(lambda: _check_tags(at, tagging["id"], tag, everybody, is_undone=is_undone))
    if leaving:
        at.checks.append(lambda: _check_moves(at, leaving["id"], tag))
    return Work("bulk", lambda: at.rows_in_hand("leads_bulkrun"), 0.8)


def _undo_bulk(at: Field, run_id: int) -> bool:
    """Take a run back once it is over; asked again it is seen that it was."""
    status, run = at.load.place.get(f"/api/v1/bulk/{run_id}/")
    if status != 200 or run["state"] != "done":
        return status != 200 and at.load.is_final(status, run)
    if run["can_be_undone"]:
        at.load.place.post(f"/api/v1/bulk/{run_id}/undo/", {})
        return False
    return True


def _check_runs(at: Field, runs: list[int], *, is_kept: bool = True) -> Iterator[Oddity]:
    """Each run, and what takes it back, has done every lead that it wrote down; of the erased that is not kept."""
    for run_id, state, total, done, leads, waiting in at.look(
        """
        SELECT run.id, run.state, run.total, run.applied + run.unchanged + run.refused,
            (SELECT count(*) FROM leads_bulklead one WHERE one.run_id = run.id),
            (SELECT count(*) FROM leads_bulklead one WHERE one.run_id = run.id AND one.outcome IS NULL)
        FROM leads_bulkrun run
        WHERE run.tenant_id = %(tenant)s AND (run.id = ANY (%(runs)s) OR run.undoes_id = ANY (%(runs)s))
        """,
        runs=runs,
    ):
        what = f"act on many leads {run_id}, {state}"
        yield what, "stuck", int(state != "done")
        should = total if is_kept else 0
        yield f"{what}: leads", "lost", waiting + max(0, total - done, should - leads)
        yield f"{what}: leads", "doubled", max(0, done - total, leads - should)


def _check_tags(
    at: Field, run_id: int, tag: str, everybody: set[str], *, is_undone: bool
) -> Iterator[Oddity]:
    """Who was there has a place in the run; who has one has the tag, or has lost it again."""
    [(tagged, applied, undone)] = at.look(
        """
        SELECT (SELECT count(*) FROM leads_leadtag WHERE tenant_id = %(tenant)s AND tag = %(tag)s),
            (SELECT applied FROM leads_bulkrun WHERE id = %(run)s),
            (SELECT count(*) FROM leads_bulkrun WHERE undoes_id = %(run)s AND tenant_id = %(tenant)s)
        """,
        tag=tag,
        run=run_id,
    )
    placed = at.look(
        "SELECT lead.email FROM leads_bulklead one JOIN leads_lead lead ON lead.id = one.lead_id"
        " WHERE one.tenant_id = %(tenant)s AND one.run_id = %(run)s",
        run=run_id,
    )
    should = 0 if is_undone else applied
    yield f"leads that {tag} left out", "lost", len(everybody - {email for (email,) in placed})
    yield f"tags {tag}", "lost", max(0, should - tagged)
    yield f"tags {tag}", "doubled", max(0, tagged - should)
    yield f"taking back {tag}", "lost", max(0, int(is_undone) - undone)
    yield f"taking back {tag}", "doubled", max(0, undone - int(is_undone))


def _check_moves(at: Field, run_id: int, note: str) -> Iterator[Oddity]:
    """Whoever was put aside was so once."""
    for lead_id, was_moved, moves in at.look(
        """
        SELECT one.lead_id, (one.outcome IS NOT DISTINCT FROM 'applied')::int,
            (SELECT count(*) FROM leads_stagechange change WHERE change.tenant_id = one.tenant_id
             AND change.lead_id = one.lead_id AND change.to_stage = 'disqualified' AND change.note = %(note)s)
        FROM leads_bulklead one WHERE one.tenant_id = %(tenant)s AND one.run_id = %(run)s
        """,
        run=run_id,
        note=note,
    ):
        yield f"lead {lead_id} put aside", "lost", max(0, was_moved - moves)
        yield f"lead {lead_id} put aside", "doubled", max(0, moves - was_moved)


# Merging ---------------------------------------------------------------------------------------------------------


@dataclass
class Pair:
    """Two leads that are made one, some of them taken apart again, while more comes in about the one that goes."""

    at: Field
    survivor: int
    loser: int
    email: str
    events: int = 2
    is_undone: bool = False
    tries: dict[str, int] = field(default_factory=dict)

    def merge(self, *, is_undone: bool) -> bool:
        """Ask for it; gone when asked again, an earlier call did it whose answer nobody heard."""
        path = f"/api/v1/leads/{self.survivor}/merge/"
        status, answer = self._post(path, {"other": self.loser})
        if status == 404 and self.tries[path] > 1:
            return True
        if status == 200 and is_undone:
            self.at.load.ask(lambda: self.undo(answer["id"]))
        return status == 200 or self.at.load.is_final(status, answer)

    def undo(self, merge_id: int) -> bool:
        """Take them apart; refused when asked again, an earlier call did it."""
        path = f"/api/v1/merges/{merge_id}/undo/"
        self.is_undone = True
        status, answer = self._post(path, {})
        if status == 409 and self.tries[path] == 1:
            self.at.load.book.refusals.append(f"{path}: {answer}")
        return status in {200, 409} or self.at.load.is_final(status, answer)

    def hear(self, key: str) -> bool:
        """Something more about the one that goes."""
        body = {"email": self.email, "event": NEWSLETTER}
        status, answer = self.at.load.place.post("/api/v1/leads/", body, headers={"Idempotency-Key": key})
        return status in {200, 201, 202} or self.at.load.is_final(status, answer)

    def _post(self, path: str, body: Any) -> tuple[int, Any]:
        self.tries[path] = self.tries.get(path, 0) + 1
        return self.at.load.place.post(path, body)


def begin_merging(at: Field, dice: random.Random) -> Work:
    """Pairs of leads are merged, a third of them undone, while more comes in about those that go."""
    number = next(at.numbers)
    bodies: list[dict[str, Any]] = [
        {"email": f"par{number}.{row}@empresa{row % 40}.com.br", "name": f"Rui {row // 2}", "event": event}
        for row in range(2 * dice.randint(12, 18))
        for event in [dice.choice([NEWSLETTER, DEMO])]
    ]
    ids = _make_leads(at, bodies)
    pairs = [
        Pair(at, survivor, loser, bodies[2 * place + 1]["email"])
        for place, (survivor, loser) in enumerate(zip(ids[::2], ids[1::2], strict=True))
    ]
    for pair in pairs:
        if dice.random() < 0.5:
            pair.events += 1
            key = uuid.uuid4().hex
            at.load.ask(lambda pair=pair, key=key: pair.hear(key))  # type: ignore[misc]
        is_undone = dice.random() < 0.3
        at.load.ask(lambda pair=pair, is_undone=is_undone: pair.merge(is_undone=is_undone))  # type: ignore[misc]
    at.checks.append(lambda: _check_merges(at, pairs, [body["email"] for body in bodies]))
    losers = ", ".join(str(pair.loser) for pair in pairs) or "0"
    return Work("merge", lambda: at.rows_in_hand("leads_lead", f"id IN ({losers})"), 1.5)


def _check_merges(at: Field, pairs: list[Pair], emails: list[str]) -> Iterator[Oddity]:
    """Each pair is one lead or two, with one record and one entry of each act, and with every event."""
    by_ids = {(pair.survivor, pair.loser): pair for pair in pairs}
    survivors, losers = [pair.survivor for pair in pairs], [pair.loser for pair in pairs]
    for survivor, loser, *counted in at.look(_PAIRS, survivors=survivors, losers=losers):
        pair = by_ids[survivor, loser]
        leads, merges, undone, told_merged, told_undone, events, aliases, left = counted
        is_apart = pair.is_undone
        for what, found, should in (
            ("leads", leads, 1 + is_apart),
            ("records", merges, 1),
            ("records undone", undone, int(pair.is_undone)),
            ("entries of the merge", told_merged, 1),
            ("entries of the undo", told_undone, int(pair.is_undone)),
            ("events", events, pair.events),
            ("former addresses", aliases, int(not is_apart)),
        ):
            yield f"{what} of the pair {survivor}, {loser}", "lost", max(0, should - found)
            yield f"{what} of the pair {survivor}, {loser}", "doubled", max(0, found - should)
        yield f"rows of the lead {loser}, which is gone", "lost", 0 if is_apart else left
    [(others,)] = at.look(
        "SELECT count(*) FROM leads_lead WHERE tenant_id = %(tenant)s AND email = ANY (%(emails)s)"
        " AND id <> ALL (%(ids)s)",
        emails=emails,
        ids=survivors + losers,
    )
    yield "leads with the address of one that was merged", "doubled", others


# What refers to leads by a reference is kept whole by the database; events and decisions have none.
_PAIRS = """
SELECT pair.survivor, pair.loser,
    (SELECT count(*) FROM leads_lead WHERE id IN (pair.survivor, pair.loser)),
    (SELECT count(*) FROM leads_leadmerge done WHERE done.tenant_id = %(tenant)s
        AND done.survivor_id = pair.survivor AND done.loser_id = pair.loser),
    (SELECT count(*) FROM leads_leadmerge done WHERE done.tenant_id = %(tenant)s
        AND done.survivor_id = pair.survivor AND done.loser_id = pair.loser AND done.undone_at IS NOT NULL),
    (SELECT count(*) FROM tenancy_auditentry WHERE tenant_id = %(tenant)s AND act = 'lead.merged'
        AND (detail->>'loser_id')::bigint = pair.loser),
    (SELECT count(*) FROM tenancy_auditentry WHERE tenant_id = %(tenant)s AND act = 'lead.merge_undone'
        AND (detail->>'loser_id')::bigint = pair.loser),
    (SELECT count(*) FROM leads_event WHERE tenant_id = %(tenant)s AND type = 'form_submitted'
        AND lead_id IN (pair.survivor, pair.loser)),
    (SELECT count(*) FROM leads_leadalias alias WHERE alias.tenant_id = %(tenant)s
        AND alias.lead_id IN (pair.survivor, pair.loser)),
    (SELECT count(*) FROM leads_event WHERE tenant_id = %(tenant)s AND lead_id = pair.loser)
    + (SELECT count(*) FROM leads_decision WHERE tenant_id = %(tenant)s AND lead_id = pair.loser)
FROM unnest(%(survivors)s::bigint[], %(losers)s::bigint[]) AS pair (survivor, loser)
"""


# Erasing ---------------------------------------------------------------------------------------------------------


def begin_erasing(at: Field, dice: random.Random) -> Work:
    """People are erased, some one by one and the others at once, while more comes in about some of them."""
    number, many = next(at.numbers), dice.randint(60, 90)
    word, phone = f"zenaide{number}x", f"9{number % 10_000:04}"
    bodies = [
        {
            "email": f"{word}.{row}@{word}-{row}.com.br",
            "name": f"{word.title()} {row} Quaresma",
            "phone": f"+55 19 {phone}-{row:04}",
            "company": f"{word.title()} {row} ME",
            "event": NEWSLETTER | {"properties": {"name": "newsletter", "says": f"{word}.{row}"}},
        }
        for row in range(many)
    ]
    ids = _make_leads(at, bodies)
    singles = dice.randint(6, 10)
    for lead_id, body in zip(ids[:singles], bodies, strict=False):
        _ask(at, f"/api/v1/leads/{lead_id}/erase/", {"confirmation": body["email"]})
    rest = ids[singles:]
    if rest:
        said = {"keeps_out": "yes", "confirmation": str(len(rest))}
        run = _ask(at, "/api/v1/bulk/", {"act": "erase", "values": said, "leads": rest})
        at.checks.append(lambda: _check_runs(at, [run["id"]] if run else [], is_kept=False))
    for place, body in enumerate(dice.sample(bodies, 8)):
        headers = {"Prefer": "respond-async"} if place % 2 else {}
        at.load.ask(lambda body=body, headers=headers: _hear_of_erased(at, body, headers))  # type: ignore[misc]
    traces = [f"%{word}%", f"%+5519{phone}%", f"%+55 19 {phone}-%"]
    at.checks.append(lambda: _check_erasures(at, ids))
    at.checks.append(lambda: _check_traces(at, traces))
    return Work("erase", lambda: at.rows_in_hand("leads_erasure") or at.rows_in_hand("leads_bulkrun"), 0.6)


def _hear_of_erased(at: Field, body: dict[str, Any], headers: dict[str, str]) -> bool:
    """Something more about somebody who is being erased: taken, and erased with them, or refused."""
    status, answer = at.load.place.post("/api/v1/leads/", body, headers=headers)
    return status in {200, 202, 409} or at.load.is_final(status, answer)


def _check_erasures(at: Field, ids: list[int]) -> Iterator[Oddity]:
    """Everybody has one proof, one entry that says so and both hashes, and what is left of the lead is out."""
    for lead_id, proofs, told, hashes, left in at.look(
        """
        SELECT lead.id,
            (SELECT count(*) FROM leads_erasure proof
             WHERE proof.tenant_id = %(tenant)s AND proof.lead_number = lead.id AND proof.state = 'done'),
            (SELECT count(*) FROM tenancy_auditentry WHERE tenant_id = %(tenant)s AND act = 'person.erased'
             AND subject = '#' || lead.id),
            (SELECT count(*) FROM leads_erasedidentity one JOIN leads_erasure proof ON proof.id = one.erasure_id
             WHERE proof.tenant_id = %(tenant)s AND proof.lead_number = lead.id),
            (SELECT count(*) FROM leads_leadstate state WHERE state.lead_id = lead.id
             AND state.stage = 'disqualified' AND state.stage_reason = 'erased')
        FROM unnest(%(ids)s::bigint[]) AS lead (id)
        """,
        ids=ids,
    ):
        for what, found, should in (
            ("proofs", proofs, 1),
            ("entries", told, 1),
            ("hashes", hashes, 2),
            ("what is left", left, 1),
        ):
            yield f"{what} of the erased {lead_id}", "lost", max(0, should - found)
            yield f"{what} of the erased {lead_id}", "doubled", max(0, found - should)


def _check_traces(at: Field, traces: list[str]) -> Iterator[Oddity]:
    """Nothing that somebody typed of them stands anywhere."""
    tables = at.look(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id'"
        " AND table_schema = 'public' ORDER BY table_name"
    )
    looks = [
        f"SELECT '{table}', count(*) FROM {table} one WHERE tenant_id = %(tenant)s AND "
        + (
            "encode(content, 'escape') ILIKE ANY (%(traces)s)"
            if table == "core_storedpiece"
            else "one::text ILIKE ANY (%(traces)s)"
        )
        for (table,) in tables
    ]
    for table, rows in at.look(" UNION ALL ".join(looks), traces=traces):
        yield f"rows of {table} that name an erased person ({traces[0]})", "stuck", rows


# Exports ---------------------------------------------------------------------------------------------------------


def begin_exports(at: Field, dice: random.Random) -> Work:
    """Everything as a ZIP, and the list of leads as a file or two."""
    everybody = _everybody(at)
    lists = max(
        (number for (number,) in at.look("SELECT max(id) FROM leads_leadexport") if number), default=0
    )
    everything = _ask(at, "/api/v1/data-exports/", {})
    for file_format in dice.sample(["csv", "csv", "xlsx"], 2):
        body = {"list": "leads", "columns": ["email"], "format": file_format}
        at.load.ask(lambda body=body: _ask_for_list(at, body))  # type: ignore[misc]
    if everything:
        at.checks.append(lambda: _check_everything(at, everything["id"], everybody))
    at.checks.append(lambda: _check_lists(at, lists, everybody))
    at.checks.append(lambda: _check_files(at))

    def is_in_hand() -> bool:
        return at.rows_in_hand("leads_leadexport") or at.sees(
            "SELECT count(*) FROM leads_dataexport WHERE tenant_id = %(tenant)s AND state = 'building'"
        )

    return Work("export", is_in_hand, 0.3)


def _ask_for_list(at: Field, body: dict[str, Any]) -> bool:
    """Asked for until there is an answer: one that nobody heard may leave a file more, which has to be whole, too."""
    status, answer = at.load.place.post("/api/v1/exports/", body)
    return status == 202 or at.load.is_final(status, answer)


def _check_everything(at: Field, export_id: int, everybody: set[str]) -> Iterator[Oddity]:
    """The ZIP is whole: what the request, the manifest and the files say of rows is one, and nobody is missing or twice."""
    [(state, rows, expected, counts, file_id, told)] = at.look(
        """
        SELECT state, row_count, expected, counts, file_id, (SELECT count(*) FROM tenancy_auditentry entry
            WHERE entry.tenant_id = %(tenant)s AND entry.act = 'data.exported' AND entry.subject = '#' || export.id)
        FROM leads_dataexport export WHERE tenant_id = %(tenant)s AND id = %(export)s
        """,
        export=export_id,
    )
    yield f"export of everything {export_id}, {state}", "stuck", int(state != "done" or file_id is None)
    yield f"entries of export {export_id}", "lost", int(told < 1)
    yield f"entries of export {export_id}", "doubled", max(0, told - 1)
    try:
        with zipfile.ZipFile(io.BytesIO(_content(at, file_id))) as file:
            files = {name: file.read(name).decode("utf-8-sig") for name in file.namelist()}
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        yield f"the file of export {export_id}: {error}", "lost", 1
        return
    found = {
        name: len(_rows(text)) - 1 if name.endswith(".csv") else len(text.splitlines())
        for name, text in files.items()
        if name not in {"manifest.json", "README.txt"}
    }
    said = {each["file"]: each["rows"] for each in json.loads(files["manifest.json"])["files"]}
    yield f"files of export {export_id} that differ from its counts", "lost", int(not found == said == counts)
    yield f"rows of export {export_id}", "lost", abs(sum(found.values()) - rows) + abs(rows - expected)
    header, *leads = _rows(files["leads.csv"])
    yield from _check_people(f"export {export_id}", [row[header.index("email")] for row in leads], everybody)


def _check_lists(at: Field, after: int, everybody: set[str]) -> Iterator[Oddity]:
    """Each file of the list that was asked for since has everybody once."""
    for export_id, state, problem, file_format, rows, file_id, told in at.look(
        """
        SELECT id, state, problem, format, row_count, file_id, (SELECT count(*) FROM tenancy_auditentry entry
            WHERE entry.tenant_id = %(tenant)s AND entry.act = 'list.exported' AND entry.detail->>'export' = export.id::text)
        FROM leads_leadexport export WHERE tenant_id = %(tenant)s AND id > %(after)s
        """,
        after=after,
    ):
        what = f"list {export_id} as {file_format}"
        if state != "done" or file_id is None:
            yield f"{what}, {state}, after {rows} rows: {problem}", "stuck", 1
            continue
        content = _content(at, file_id)
        header_and_rows = _sheet(content) if file_format == "xlsx" else _rows(content.decode("utf-8-sig"))
        people = [row[0] for row in header_and_rows[1:]]
        yield f"rows of the {what}", "lost", abs(rows - len(people))
        yield from _check_people(what, people, everybody)
        yield f"entries of the {what}", "lost", int(told < 1)
        yield f"entries of the {what}", "doubled", max(0, told - 1)


def _check_people(what: str, emails: list[str], everybody: set[str]) -> Iterator[Oddity]:
    have = [email for email in emails if email]
    yield f"people in {what}", "lost", len(everybody - set(have))
    yield f"people in {what}", "doubled", len(have) - len(set(have))


def _check_files(at: Field) -> Iterable[Oddity]:
    """No file is left of an attempt that died."""
    return [
        (f"files that belong to nothing: {name}", "doubled", 1)
        for (name,) in at.look(
            """
            SELECT name FROM core_storedfile file WHERE tenant_id = %(tenant)s
            AND NOT EXISTS (SELECT FROM leads_dataexport WHERE file_id = file.id)
            AND NOT EXISTS (SELECT FROM leads_leadexport WHERE file_id = file.id)
            AND NOT EXISTS (SELECT FROM leads_importrun WHERE file.id IN (file_id, rows_file_id))
            """
        )
    ]


def _content(at: Field, file_id: int | None) -> bytes:
    pieces = at.look(
        "SELECT content FROM core_storedpiece WHERE file_id = %(file)s ORDER BY number", file=file_id
    )
    return b"".join(bytes(content) for (content,) in pieces)


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def _sheet(content: bytes) -> list[list[str]]:
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(content), read_only=True)
    return [[str(cell or "") for cell in row] for row in book.worksheets[0].iter_rows(values_only=True)]
