from importlib import import_module

from django.db import migrations

from tenancy.row_security import ReplaceDefinerFunction

# The leads of the tenant in scope that have every pattern in their text, the newest (or oldest) first: ids and instants of at most
# ``size`` beyond a position; how many were seen, and whether those are all. A sample tells how leads lie in time and what share of
# them matches. Where few match, an index finds them at once; where one in 25 does, leads are asked in their order; between the two
# the index is asked for a span of creation that should hold a page. Then what was found says more than the sample: after too few a
# longer span is asked; of too many a shorter one, or the leads in their order. ``most`` are counted, in a large tenant no more than
# the page needs. (A lone % would be a placeholder.)
SEARCH_PAGE = r"""
CREATE OR REPLACE FUNCTION leadsys_search_page(
    patterns text[], is_descending boolean, beyond_at timestamptz, beyond_id bigint, size integer, most integer,
    OUT matched integer, OUT is_all boolean, OUT lead_ids bigint[], OUT created_ats timestamptz[]
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $$
DECLARE
    scope bigint := NULLIF(current_setting('leadsys.tenant_id', true), '')::bigint;
    oldest timestamptz;
    newest timestamptz;
    -- Instants of a sample beyond the position, in order; how many leads stand from one to the next; which share of all matches.
    sampled_ats timestamptz[];
    apart double precision;
    share double precision;
    is_large boolean;
    -- Patterns that the index is asked for; whether it would help to say whose leads.
    parts text[];
    is_most boolean;
    -- How many leads are looked through next, or null for all that are left, and up to which instant.
    width double precision;
    upto_at timestamptz;
    is_in_order boolean;
    is_counting boolean := false;
    bound integer;
    first_minute bigint;
    last_minute bigint;
    shift integer;
    spans bigint[];
    near record;
    asked integer := 0;
    ids bigint[];
    ats timestamptz[];
    here integer;
BEGIN
    matched := 0;
    is_all := true;
    IF scope IS NULL OR cardinality(patterns) NOT BETWEEN 1 AND 8 OR array_position(patterns, NULL) IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT created_at INTO oldest FROM leads_lead WHERE tenant_id = scope ORDER BY tenant_id DESC, created_at, id LIMIT 1;
    SELECT created_at INTO newest FROM leads_lead WHERE tenant_id = scope ORDER BY tenant_id, created_at DESC, id DESC LIMIT 1;
    IF newest IS NULL THEN
        RETURN;
    END IF;
    beyond_at := COALESCE(beyond_at, CASE WHEN is_descending THEN timestamptz 'infinity' ELSE '-infinity' END);
    beyond_id := COALESCE(beyond_id, 0);
    WITH ends AS MATERIALIZED (
        SELECT known.low, known.high, least((known.high - known.low) / 4000, 160) AS leads FROM (
            SELECT (SELECT id FROM leads_lead WHERE tenant_id = scope ORDER BY tenant_id, id LIMIT 1) AS low,
                (SELECT id FROM leads_lead WHERE tenant_id = scope ORDER BY tenant_id DESC, id DESC LIMIT 1) AS high
        ) known
    ), sampled AS MATERIALIZED (
        SELECT lead.created_at AS at, lead.id - nearest.id AS gap, known.text
        FROM ends, generate_series(1, ends.leads) nth
            CROSS JOIN LATERAL (VALUES (ends.low + (ends.high - ends.low) * nth / (ends.leads + 1))) nearest (id)
            CROSS JOIN LATERAL (
                -- Compared as rows, so that no other index is taken.
                SELECT tenant_id, id, created_at FROM leads_lead
                WHERE (tenant_id, id) >= (scope, nearest.id) ORDER BY tenant_id, id LIMIT 1
            ) lead CROSS JOIN LATERAL (SELECT text FROM leads_leadsearch WHERE lead_id = lead.id OFFSET 0) known
        WHERE lead.tenant_id = scope
    ), alike AS (
        SELECT exp(sum(ln(odds))) AS together FROM (
            SELECT (count(*) FILTER (WHERE text LIKE pattern) + 0.5) / (count(*) + 1)
            FROM sampled, unnest(patterns) pattern GROUP BY pattern
        ) counted (odds)
    ), pieces AS (
        SELECT piece, found_in, row_number() OVER (PARTITION BY word ORDER BY found_in, piece) AS rank FROM (
            SELECT piece, word, (SELECT count(*) FROM sampled WHERE text LIKE piece) AS found_in FROM (
                SELECT DISTINCT word, CASE WHEN length(letters) >= 3 THEN '%%' || substr(letters, nth, 3) || '%%' ELSE pattern END
                FROM unnest(patterns) WITH ORDINALITY AS given (pattern, word)
                    CROSS JOIN LATERAL (VALUES (btrim(pattern, '%% '))) inside (letters),
                    generate_series(1, greatest(1, length(letters) - 2)) nth
            ) cut (word, piece)
        ) known
    )
    SELECT ends.leads > 24, (ends.high - ends.low) / ((1 + ends.leads) * (1 + COALESCE(avg(gap), 0))),
        -- What was counted of all words together weighs against what is likely of each by itself.
        (2 + count(*) FILTER (WHERE text LIKE ALL (patterns))) / (2 / (SELECT COALESCE(together, 1) FROM alike) + count(text)),
        COALESCE(array_agg(at ORDER BY CASE WHEN is_descending THEN at END DESC, at)
            FILTER (WHERE CASE WHEN is_descending THEN at < beyond_at ELSE at > beyond_at END), '{}'),
        (SELECT array_agg(piece ORDER BY rank, found_in) FROM pieces)
    INTO is_large, apart, share, sampled_ats, parts
    FROM ends LEFT JOIN sampled ON true GROUP BY ends.low, ends.high, ends.leads;
    SELECT apart * cardinality(sampled_ats) > reltuples / 2 INTO is_most FROM pg_class WHERE oid = 'leads_leadsearch'::regclass;
    is_in_order := share > 0.08 AND is_large;
    -- Longer than one that should do, since it costs less than a second.
    width := CASE WHEN patterns[1] !~ '[0-9]{8}' THEN 1.5 * (size + 8) / share END;
    bound := 24 * size;
    LOOP
        IF is_in_order THEN
            asked := 0;
            here := 0;
            FOR near IN
                SELECT lead.id, lead.at, known.text LIKE ALL (patterns) AS is_matching
                FROM (
                    (SELECT id, created_at FROM leads_lead
                    WHERE is_descending AND tenant_id = scope AND (created_at, id) < (beyond_at, beyond_id)
                    ORDER BY tenant_id, created_at DESC, id DESC LIMIT 1000)
                    UNION ALL
                    (SELECT id, created_at FROM leads_lead
                    WHERE NOT is_descending AND tenant_id = scope AND (created_at, id) > (beyond_at, beyond_id)
                    ORDER BY tenant_id DESC, created_at, id LIMIT 1000)
                ) lead (id, at) CROSS JOIN LATERAL (SELECT text FROM leads_leadsearch WHERE lead_id = lead.id OFFSET 0) known
            LOOP
                asked := asked + 1;
                IF near.is_matching THEN
                    here := here + 1;
                    lead_ids := lead_ids || near.id;
                    created_ats := created_ats || near.at;
                END IF;
                is_all := false;
                EXIT WHEN matched + here = size OR asked = 1000;
                is_all := true;
            END LOOP;
            matched := matched + here;
            EXIT WHEN is_all OR matched = size AND is_large;
            beyond_at := near.at;
            beyond_id := near.id;
            is_in_order := false;
            is_counting := matched = size;
            -- Where leads crowd in an instant and few of them match, all that do are read.
            bound := 2147483647;
        END IF;
        upto_at := CASE WHEN is_counting OR width IS NULL OR 6 * width > apart * (1 + cardinality(sampled_ats)) THEN NULL
            WHEN width > 4 * apart THEN (
                SELECT at FROM unnest(sampled_ats) at WHERE CASE WHEN is_descending THEN at < beyond_at ELSE at > beyond_at END
                ORDER BY CASE WHEN is_descending THEN at END DESC, at OFFSET width / apart LIMIT 1
            )
            WHEN is_descending THEN (
                SELECT created_at FROM leads_lead WHERE tenant_id = scope AND (created_at, id) < (beyond_at, beyond_id)
                ORDER BY tenant_id, created_at DESC, id DESC OFFSET width LIMIT 1
            )
            ELSE (
                SELECT created_at FROM leads_lead WHERE tenant_id = scope AND (created_at, id) > (beyond_at, beyond_id)
                ORDER BY tenant_id DESC, created_at, id OFFSET width LIMIT 1
            ) END;
        IF upto_at IS NULL THEN
            upto_at := CASE WHEN is_descending THEN timestamptz '-infinity' ELSE 'infinity' END;
            spans := CASE WHEN NOT is_most THEN ARRAY[scope << 36] END;
        ELSE
            first_minute := leadsys_search_minute(CASE WHEN is_descending THEN upto_at ELSE GREATEST(oldest, beyond_at) END);
            last_minute := leadsys_search_minute(CASE WHEN is_descending THEN LEAST(newest, beyond_at) ELSE upto_at END);
            shift := 0;
            WHILE (last_minute >> shift) - (first_minute >> shift) > 15 LOOP
                shift := shift + 4;
            END LOOP;
            spans := ARRAY(
                SELECT (scope << 36) + ((1 + shift / 4)::bigint << 33) + span
                FROM generate_series(first_minute >> shift, last_minute >> shift) span
            );
        END IF;
        SELECT array_agg(listed.lead_id) FILTER (WHERE listed.tenant_id = scope), array_agg(listed.created_at) FILTER (WHERE listed.tenant_id = scope), count(*)
        INTO ids, ats, here
        FROM (
            SELECT known.lead_id, known.created_at, known.tenant_id
            FROM (
                SELECT * FROM leads_leadsearch WHERE spans IS NULL
                UNION ALL
                SELECT * FROM leads_leadsearch WHERE leadsys_search_spans(tenant_id, created_at) && spans
            ) known
            -- To follow a few parts is quicker than to follow all; the texts that they find are compared in full.
            WHERE known.text LIKE parts[1] AND known.text LIKE COALESCE(parts[2], '%%') AND known.text LIKE COALESCE(parts[3], '%%')
                AND (spans IS NULL OR known.tenant_id = scope)
                AND CASE WHEN is_descending THEN known.created_at >= upto_at AND (known.created_at, known.lead_id) < (beyond_at, beyond_id)
                    ELSE known.created_at <= upto_at AND (known.created_at, known.lead_id) > (beyond_at, beyond_id) END
                AND known.text LIKE ALL (patterns)
            LIMIT bound
        ) listed;
        IF here = bound AND spans IS NULL THEN
            is_most := false;
            CONTINUE;
        ELSIF here = bound AND NOT is_counting THEN
            -- So many that a part of them is enough. Where they are many in few leads, these are soon asked in order.
            width := least(width, apart * (1 + cardinality(sampled_ats)));
            is_in_order := width < 12 * bound;
            width := width / 4;
            CONTINUE;
        END IF;
        is_all := NOT isfinite(upto_at) AND here < bound;
        here := COALESCE(cardinality(ids), 0);
        matched := matched + here;
        IF NOT is_counting THEN
            lead_ids := lead_ids || ids;
            created_ats := created_ats || ats;
        END IF;
        -- In a large tenant, or where ids are far apart, it is enough that there are more than a page.
        EXIT WHEN NOT isfinite(upto_at) OR matched >= most OR matched >= size AND is_large;
        is_counting := matched >= size;
        bound := CASE WHEN is_counting THEN most - matched ELSE 24 * size END;
        width := width * least(4, greatest(0.5, 1.5 * (8 + size - matched) / (1 + here)));
        beyond_at := upto_at;
        beyond_id := CASE WHEN is_descending THEN 0 ELSE 9223372036854775807 END;
    END LOOP;
    SELECT array_agg(id ORDER BY nth), array_agg(at ORDER BY nth) INTO lead_ids, created_ats
    FROM (
        SELECT id, at, row_number() OVER (
            ORDER BY CASE WHEN is_descending THEN at END DESC, CASE WHEN is_descending THEN id END DESC, at, id
        ) AS nth FROM unnest(lead_ids, created_ats) known (id, at)
    ) placed
    WHERE nth <= size;
END
$$
"""
BEFORE = import_module("leads.migrations.0037_search_in_order_of_creation").SEARCH_PAGE


class Migration(migrations.Migration):
    dependencies = [("leads", "0038_one_index_of_parts")]

    operations = [
        ReplaceDefinerFunction(
            signature="leadsys_search_page(text[], boolean, timestamptz, bigint, integer, integer)",
            sql=SEARCH_PAGE,
            before=BEFORE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"),
            reads=("leads_lead", "leads_leadsearch"),
        ),
    ]
