use super::*;
use Argument::{Number, Text};

fn topology() -> Topology {
    Topology::new(2)
        .unwrap()
        .with_delays([Duration::from_secs(3), Duration::from_secs(1)])
        .unwrap()
}

#[test]
fn exchanges_are_pinned() {
    let exchanges = topology().exchanges();
    let described: Vec<String> = exchanges
        .iter()
        .map(|e| format!("{:?} {} {:?}", e.kind, e.name, e.arguments))
        .collect();
    assert_eq!(
        described,
        [
            "Fanout tidings.shards [(\"alternate-exchange\", Digits(2))]",
            "Fanout tidings.unrouted []",
            "Fanout tidings.parked []",
            "Direct tidings.records []",
            "Direct tidings.work []",
            "Direct tidings.due [(\"alternate-exchange\", Text(\"tidings.unrouted\"))]",
            "Fanout tidings.delay.v1.1000 []",
            "Fanout tidings.delay.v1.3000 []",
            "Fanout tidings.delay.v1.5000 []",
            "Fanout tidings.delay.v1.15000 []",
            "Fanout tidings.delay.v1.60000 []",
            "Fanout tidings.delay.v1.63000 []",
            "Fanout tidings.delay.v1.66000 []",
            "Fanout tidings.delay.v1.300000 []",
            "Fanout tidings.delay.v1.315000 []",
            "Fanout tidings.delay.v1.330000 []",
            "Fanout tidings.delay.v1.1800000 []",
            "Fanout tidings.delay.v1.1890000 []",
            "Fanout tidings.delay.v1.1980000 []",
            "Fanout tidings.delay.v1.7200000 []",
            "Fanout tidings.delay.v1.7560000 []",
            "Fanout tidings.delay.v1.7920000 []",
            "Fanout tidings.delay.v1.86400000 []",
            "Fanout tidings.delay.v1.90720000 []",
            "Fanout tidings.delay.v1.95040000 []",
        ]
    );
}

#[test]
fn queues_are_pinned() {
    let queues = topology().queues();
    let names: Vec<&str> = queues.iter().map(|q| q.name.as_str()).collect();
    assert_eq!(
        names[..14],
        [
            "tidings.unrouted",
            "tidings.parked.v2",
            "tidings.records",
            "tidings.canary.v1",
            "tidings.canary.v1.probe0",
            "tidings.canary.v1.probe1",
            "tidings.canary.v1.probe2",
            "tidings.work.v1.live.00",
            "tidings.work.v1.live.01",
            "tidings.work.v1.bulk.00",
            "tidings.work.v1.bulk.01",
            "tidings.work.v1.retry.00",
            "tidings.work.v1.retry.01",
            "tidings.delay.v1.1000",
        ]
    );
    assert_eq!(names.len(), 13 + 19);
    assert!(
        queues
            .iter()
            .all(|q| q.arguments[0] == ("x-queue-type", Text("quorum")))
    );

    let queue = |name: &str| queues.iter().find(|q| q.name == name).unwrap();
    let work = queue("tidings.work.v1.retry.01");
    assert_eq!(
        work.arguments[1..],
        [
            ("x-delivery-limit", Number(100)),
            ("x-dead-letter-exchange", Text("tidings.parked"))
        ]
    );
    let binding = |exchange: &str, key: &str| (exchange.to_owned(), key.to_owned());
    assert_eq!(
        work.bindings,
        [binding("tidings.work", "retry.01"), binding("tidings.due", "retry.01")]
    );
    let delay = queue("tidings.delay.v1.3000");
    assert_eq!(
        delay.arguments[1..],
        [
            ("x-message-ttl", Number(3000)),
            ("x-dead-letter-exchange", Text("tidings.due")),
            ("x-dead-letter-strategy", Text("at-least-once")),
            ("x-overflow", Text("reject-publish")),
            ("x-max-length", Number(5_000_000)),
        ]
    );
    assert_eq!(
        delay.bindings,
        [binding("tidings.delay.v1.3000", "tidings.delay.v1.3000")]
    );
    assert_eq!(queue("tidings.canary.v1").bindings, [binding("tidings.due", "canary")]);
    assert_eq!(
        queue("tidings.unrouted").arguments[1..],
        [
            ("x-max-length", Number(1_000_000)),
            ("x-delivery-limit", Number(1_000_000_000))
        ]
    );
    let parked = queue("tidings.parked.v2");
    assert_eq!(
        parked.arguments[1..],
        [
            ("x-max-length", Number(1_000_000)),
            ("x-overflow", Text("reject-publish")),
            ("x-delivery-limit", Number(1_000_000_000))
        ]
    );
    assert_eq!(parked.bindings, [binding("tidings.parked", "tidings.parked")]);
    assert!(
        queues
            .iter()
            .all(|queue| RETIRED.iter().all(|(retired, _)| queue.name != *retired))
    );
    assert_eq!(
        queue("tidings.records").arguments[1..],
        [("x-delivery-limit", Number(1_000_000_000))]
    );
    assert_eq!(
        topology().canary_address(),
        ("tidings.delay.v1.1000".into(), "canary".into())
    );
}

#[test]
fn a_message_keeps_its_lanes_key_in_a_delay_queue() {
    let topology = topology();
    let lane = Lane {
        kind: LaneKind::Retry,
        shard: 1,
    };
    let address = |route| topology.address(route).unwrap();
    assert_eq!(address(Route::Work(lane)), ("tidings.work".into(), "retry.01".into()));
    assert_eq!(
        address(Route::Delay(Duration::from_secs(3), lane)),
        ("tidings.delay.v1.3000".into(), "retry.01".into())
    );
    assert_eq!(
        address(Route::Records),
        ("tidings.records".into(), "tidings.records".into())
    );
    let odd = Duration::from_secs(137);
    assert_eq!(
        topology.address(Route::Delay(odd, lane)),
        Err(PublishError::NoDelayQueue(odd))
    );
}

#[test]
fn delays_are_sorted_deduplicated_and_bounded() {
    let seconds = |range: std::ops::Range<u64>| range.map(Duration::from_secs);
    let topology = Topology::default().with_delays(seconds(20..57)).unwrap();
    assert_eq!(topology.delays().len(), 55);
    assert!(topology.delays().is_sorted());
    assert_eq!(topology.clone().with_delays(seconds(20..30)).unwrap(), topology);
    let of_minutes = topology.clone().with_delays(seconds(70..71)).unwrap();
    assert_eq!(of_minutes.delays().len(), 58);
    assert_eq!(
        of_minutes.with_delays(seconds(80..81)),
        Err(TopologyError::TooManyDelays(61))
    );
    for delay in [
        Duration::ZERO,
        Duration::from_micros(1500),
        Duration::from_secs(8 * 86_400),
    ] {
        assert_eq!(
            Topology::default().with_delays([delay]),
            Err(TopologyError::Delay(delay))
        );
    }
    assert_eq!(Topology::new(0), Err(TopologyError::Shards(0)));
    assert_eq!(Topology::new(101), Err(TopologyError::Shards(101)));
}
