-- Of the connection that writes, and of no file. What calls came to is written in one statement: two lists in JSON, each with one row
-- for a budget and one for what was used. A sum that would be larger than a number of the database stays the largest: SQLite would
-- make a fraction of it, which its column does not take.
CREATE TEMP VIEW settled AS SELECT NULL AS balances, NULL AS usages;

CREATE TEMP TRIGGER settled_is_stored INSTEAD OF INSERT ON settled
BEGIN
    INSERT INTO balance (budget, scope, period, money, tokens, requests)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(NEW.balances) WHERE true
    ON CONFLICT (budget, scope, period) DO UPDATE SET
        money = min(money + excluded.money, 9223372036854775807),
        tokens = min(tokens + excluded.tokens, 9223372036854775807),
        requests = min(requests + excluded.requests, 9223372036854775807);
    INSERT INTO usage (day, agent, team, policy, provider, model, requests, kept, input, cached, output, money, unpriced)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8,
        value ->> 9, value ->> 10, value ->> 11, value ->> 12
    FROM json_each(NEW.usages) WHERE true
    ON CONFLICT (day, agent, team, policy, provider, model) DO UPDATE SET
        requests = min(requests + excluded.requests, 9223372036854775807),
        kept = min(kept + excluded.kept, 9223372036854775807),
        input = min(input + excluded.input, 9223372036854775807),
        cached = min(cached + excluded.cached, 9223372036854775807),
        output = min(output + excluded.output, 9223372036854775807),
        money = min(money + excluded.money, 9223372036854775807),
        unpriced = min(unpriced + excluded.unpriced, 9223372036854775807);
END;
