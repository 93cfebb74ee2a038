"""The one condition language: facts, typed conditions, compilation to SQL, explanation.

A condition is a JSON tree that versions, saved views and addresses carry::

    {"all": [{"fact": "score", "op": "gte", "value": 50},
             {"any": [{"fact": "country", "op": "eq", "value": "BR"},
                      {"fact": "event_count", "event": "page_viewed", "days": 30, "op": "gte", "value": 2}]}]}

``language.parse_condition`` checks it, ``compile.compile_condition`` makes one Django expression of it, the database
evaluates that. A missing value is unknown, the third value beside true and false.
"""
