SELECT e.id FROM unnest($1::uuid[], $2::timestamptz[]) AS answered (endpoint_id, at)
JOIN endpoints e ON e.id = answered.endpoint_id AND e.failing_since < answered.at
