from django.db import migrations

from tenancy.row_security import DefinerFunction, ReplaceDefinerFunction

# The leads of the tenant in scope that have every pattern in their text, the newest (or oldest) first: ids and instants of at most
# ``size`` beyond a position; how many were seen, and whether those are all. Span by span of creation: each lead of a sample ends
# one, so that wherever leads crowd spans are short, and where one of the sample matches a span is read by itself; an index finds
# what matches in a span, to a bound. ``most`` are counted, in a large tenant no more than the page needs. (A lone % would be a
# placeholder.)
SEARCH_PAGE = r"""
CREATE FUNCTION leadsys_search_page(
    patterns text[], is_descending boolean, beyond_at timestamptz, beyond_id bigint, size integer, most integer,
    OUT matched integer, OUT is_all boolean, OUT lead_ids bigint[], OUT created_ats timestamptz[]
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $$
DECLARE
    scope bigint := NULLIF(current_setting('leadsys.tenant_id', true), '')::bigint;
    parts text[];
    oldest timestamptz;
    newest timestamptz;
    -- Instants between which about as many leads were created, in the direction of reading; which of the leads there match.
    bounds timestamptz[];
    matching integer[];
    expected double precision;
    low bigint;
    high bigint;
    pieces text[];
    place integer := 0;
    width integer := 2;
    growth integer := 2;
    widest integer := 1000;
    upto integer;
    next_matching integer;
    is_crowded boolean := false;
    older timestamptz := '-infinity';
    newer timestamptz := 'infinity';
    first_at timestamptz;
    last_at timestamptz;
    first_minute bigint;
    last_minute bigint;
    shift integer;
    spans bigint[];
    bound integer;
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
    WITH ends AS MATERIALIZED (
        SELECT known.low, known.high, least((known.high - known.low) / 4000, 160) AS leads FROM (
            SELECT (SELECT id FROM leads_lead WHERE tenant_id = scope ORDER BY tenant_id, id LIMIT 1) AS low,
                (SELECT id FROM leads_lead WHERE tenant_id = scope ORDER BY tenant_id DESC, id DESC LIMIT 1) AS high
        ) known
    ), sampled AS MATERIALIZED (
        SELECT lead.created_at AS at, known.text
        FROM ends, generate_series(1, ends.leads) nth CROSS JOIN LATERAL (
            -- Compared as rows, so that no other index is taken.
            SELECT tenant_id, id, created_at FROM leads_lead
            WHERE (tenant_id, id) >= (scope, ends.low + (ends.high - ends.low) * nth / (ends.leads + 1)) ORDER BY tenant_id, id LIMIT 1
        ) lead CROSS JOIN LATERAL (SELECT text FROM leads_leadsearch WHERE lead_id = lead.id OFFSET 0) known
        WHERE lead.tenant_id = scope
    ), placed AS (
        SELECT at, bool_or(text LIKE ALL (patterns)) AS is_matching,
            row_number() OVER (ORDER BY CASE WHEN is_descending THEN at END DESC, at) AS nth
        FROM sampled
        WHERE beyond_at IS NULL OR CASE WHEN is_descending THEN at < beyond_at ELSE at > beyond_at END
        GROUP BY at
    ), counted AS (
        SELECT pattern, count(*) AS leads, count(*) FILTER (WHERE text LIKE pattern) AS alike
        FROM sampled, unnest(patterns) pattern GROUP BY pattern
    ), known AS (
        SELECT piece, word, (SELECT count(*) FROM sampled WHERE text LIKE piece) AS leads
        FROM (
            SELECT DISTINCT word, CASE WHEN pattern LIKE '%% %%' THEN pattern ELSE '%%' || substr(pattern, letter, 3) || '%%' END
            FROM unnest(patterns) WITH ORDINALITY AS given (pattern, word),
                generate_series(2, CASE WHEN pattern LIKE '%% %%' THEN 2 ELSE length(pattern) - 3 END) letter
        ) pieces (word, piece)
    )
    SELECT COALESCE(array_agg(at ORDER BY nth), '{}'), COALESCE(array_agg(nth ORDER BY nth) FILTER (WHERE is_matching), '{}'), (
        SELECT (SELECT ends.high - ends.low FROM ends) * exp(sum(ln((alike + 0.5) / (leads + 1)))) FROM counted
    ), (
        SELECT array_agg(piece ORDER BY rank, leads) FROM (
            SELECT piece, leads, row_number() OVER (PARTITION BY word ORDER BY leads, piece) AS rank FROM known
        ) ranked
    ), (SELECT ends.low FROM ends), (SELECT ends.high FROM ends) INTO bounds, matching, expected, pieces, low, high FROM placed;
    -- To follow a few parts is quicker than to follow all; the texts that they find are compared in full.
    parts := pieces[:3];
    IF expected < size AND cardinality(matching) = 0 OR patterns[1] ~ '[0-9]{8}' THEN
        width := cardinality(bounds) + 1;
    ELSIF cardinality(bounds) > 0 THEN
        parts := pieces[:greatest(2, least(3, cardinality(patterns)))];
        expected := greatest(expected, (high - low) * cardinality(matching) / (1 + cardinality(bounds)));
        widest := greatest(4, least(1000, 6 * size * (1 + cardinality(bounds)) / expected));
        width := least(2, widest);
    END IF;
    beyond_at := COALESCE(beyond_at, CASE WHEN is_descending THEN timestamptz 'infinity' ELSE '-infinity' END);
    IF is_descending THEN
        newer := beyond_at + interval '1 minute';
    ELSE
        older := beyond_at;
    END IF;
    LOOP
        -- What is left is read with the last if it is not much.
        upto := CASE WHEN place + width + width / 2 > cardinality(bounds) THEN cardinality(bounds) + 1 ELSE place + width END;
        IF matched < size AND cardinality(matching) > 0 THEN
            -- Where one of the sample matches, many do.
            SELECT min(nth) INTO next_matching FROM unnest(matching) nth WHERE nth > place;
            upto := least(upto, greatest(place + 1, COALESCE(next_matching - 1, upto)));
        END IF;
        IF is_descending THEN
            older := COALESCE(bounds[upto], '-infinity');
        ELSE
            newer := COALESCE(bounds[upto], 'infinity');
        END IF;
        first_at := GREATEST(older, oldest);
        last_at := LEAST(newer, newest);
        IF upto = place + 1 AND (is_crowded OR upto >= next_matching - 1 AND expected > 8 * size * cardinality(bounds))
            AND last_at >= first_at + interval '8 seconds'
        THEN
            bounds := bounds[:place] || ARRAY(
                SELECT CASE WHEN is_descending THEN last_at - (last_at - first_at) * part / 8
                    ELSE first_at + (last_at - first_at) * part / 8 END
                FROM generate_series(1, 7) part ORDER BY part
            ) || bounds[upto:];
            matching := ARRAY(SELECT nth + 7 FROM unnest(matching) nth WHERE nth > upto);
            next_matching := NULL;
            is_crowded := false;
            width := 1;
            CONTINUE;
        END IF;
        first_minute := leadsys_search_minute(first_at);
        last_minute := leadsys_search_minute(last_at);
        shift := 0;
        WHILE (last_minute >> shift) - (first_minute >> shift) > 23 LOOP
            shift := shift + 4;
        END LOOP;
        spans := CASE WHEN shift > 20 OR 2 * (upto - place) > cardinality(bounds) THEN ARRAY[scope << 36] ELSE ARRAY(
            SELECT (scope << 36) + ((1 + shift / 4)::bigint << 33) + span
            FROM generate_series(first_minute >> shift, last_minute >> shift) span
        ) END;
        bound := CASE WHEN matched >= size THEN most - matched
            WHEN upto = place + 1 AND last_at < first_at + interval '8 seconds' THEN 2147483647 ELSE 2500 END;
        SELECT array_agg(listed.lead_id), array_agg(listed.created_at) INTO ids, ats
        FROM (
            SELECT known.lead_id, known.created_at FROM leads_leadsearch known
            WHERE leadsys_search_spans(known.tenant_id, known.created_at) && spans
                AND known.text LIKE parts[1] AND known.text LIKE COALESCE(parts[2], '%%') AND known.text LIKE COALESCE(parts[3], '%%')
                AND known.tenant_id = scope AND known.created_at >= older AND known.created_at < newer
                AND CASE WHEN is_descending THEN (known.created_at, known.lead_id) < (beyond_at, beyond_id)
                    ELSE (known.created_at, known.lead_id) > (beyond_at, beyond_id) END
                AND known.text LIKE ALL (patterns)
            LIMIT bound
        ) listed;
        here := COALESCE(cardinality(ids), 0);
        IF here = bound AND matched < size THEN
            -- So many that a part of them is enough.
            width := greatest(1, (upto - place) / 4);
            growth := 1;
            is_crowded := upto = place + 1;
            CONTINUE;
        END IF;
        IF matched < size THEN
            lead_ids := lead_ids || ids;
            created_ats := created_ats || ats;
        END IF;
        matched := matched + here;
        is_all := upto > cardinality(bounds) AND here < bound;
        EXIT WHEN upto > cardinality(bounds) OR matched >= greatest(size, most);
        -- In a large tenant, or where ids are far apart, it is enough that there are more than a page.
        EXIT WHEN matched >= size AND cardinality(bounds) > 24;
        width := CASE WHEN matched >= size THEN cardinality(bounds) ELSE least(growth * (upto - place), widest) END;
        place := upto;
        IF is_descending THEN
            newer := older;
        ELSE
            older := newer;
        END IF;
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
# Which leads of the tenant in scope have every pattern in their text: any of them, so many at most. The texts are LIKE patterns
# and stay values; each has a condition of its own, since the index takes no LIKE ALL.
SEARCH_LEADS = """
CREATE OR REPLACE FUNCTION leadsys_search_leads(patterns text[], most integer)
RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    scope bigint := NULLIF(current_setting('leadsys.tenant_id', true), '')::bigint;
    matches text;
BEGIN
    IF scope IS NULL OR cardinality(patterns) NOT BETWEEN 1 AND 8 OR array_position(patterns, NULL) IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT string_agg('text LIKE $2[' || place || ']', ' AND ') INTO matches FROM generate_subscripts(patterns, 1) place;
    RETURN QUERY EXECUTE 'SELECT lead_id FROM leads_leadsearch WHERE {known} AND tenant_id = $1 AND ' || matches || ' LIMIT $3'
        USING scope, patterns, most;
END
$$
"""
BY_TENANT = SEARCH_LEADS.replace("{known} AND ", "")
BY_SPAN = SEARCH_LEADS.format(known="leadsys_search_spans(tenant_id, created_at) && ARRAY[$1 << 36]")


class Migration(migrations.Migration):
    dependencies = [("leads", "0036_texts_in_order_of_creation")]

    operations = [
        DefinerFunction(
            signature="leadsys_search_page(text[], boolean, timestamptz, bigint, integer, integer)",
            sql=SEARCH_PAGE,
            reads=("leads_lead", "leads_leadsearch"),
        ),
        ReplaceDefinerFunction(
            signature="leadsys_search_leads(text[], integer)",
            sql=BY_SPAN,
            before=BY_TENANT,
            reads=("leads_leadsearch",),
        ),
    ]
