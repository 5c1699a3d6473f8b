use tidings_domain::{Overrides, Subscription, TenantId, Timestamp};

use super::*;

fn endpoint(overrides: Overrides) -> Endpoint {
    Endpoint {
        subscriptions: vec![Subscription::to("*".parse().unwrap())],
        overrides,
        ..Endpoint::new(
            TenantId::new(),
            "https://example.com/".parse().unwrap(),
            "standard",
            Timestamp::now(),
        )
    }
}

fn capped(cap: u32) -> Endpoint {
    endpoint(Overrides {
        concurrency: Some(cap),
        ..Overrides::default()
    })
}

fn gates() -> Gates {
    Gates::new(9, 50, 3)
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_waited_for_while_the_endpoint_moves() {
    let (gates, endpoint) = (gates(), capped(1));
    let pass = gates.enter(&endpoint).await.unwrap();
    let (next, _) = tokio::join!(gates.enter(&endpoint), async {
        tokio::time::sleep(PATIENCE / 2).await;
        pass.end(Sign::Well)
    });
    assert!(next.is_ok());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_patience() {
    let (gates, endpoint) = (gates(), capped(1));
    let pass = gates.enter(&endpoint).await.unwrap();
    let begun = Instant::now();
    let refused = gates.enter(&endpoint).await.err().unwrap();
    assert_eq!((refused.why, begun.elapsed()), (Refusal::Busy, PATIENCE));
    // Now it is known not to move.
    let begun = Instant::now();
    assert!(gates.enter(&endpoint).await.is_err());
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop(pass);
    assert!(gates.enter(&endpoint).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_gets_a_turn_as_the_window_widens() {
    let (gates, endpoint) = (Arc::new(gates()), Arc::new(capped(9)));
    let mut passes = Vec::new();
    for _ in 0..4 {
        passes.push(gates.enter(&endpoint).await.unwrap());
    }
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let (gates, endpoint) = (gates.clone(), endpoint.clone());
            tokio::spawn(async move { gates.enter(&endpoint).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let begun = Instant::now();
    for pass in passes {
        pass.end(Sign::Well);
    }
    let mut held = Vec::new();
    for waiting in waiting {
        held.push(waiting.await.unwrap().ok().unwrap());
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_let_one_probe_through_at_a_time() {
    let (gates, endpoint) = (gates(), capped(9));
    for _ in 0..3 {
        let pass = gates.enter(&endpoint).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        pass.end(Sign::Silent);
    }
    assert_eq!(gates.open_circuits(), 1);
    let refused = gates.enter(&endpoint).await.err().unwrap();
    assert_eq!(
        (refused.why, refused.wait),
        (Refusal::CircuitOpen, Duration::from_secs(2))
    );

    tokio::time::sleep(Duration::from_millis(1_900)).await;
    let probe = gates.enter(&endpoint).await.unwrap();
    assert_eq!(gates.enter(&endpoint).await.err().unwrap().why, Refusal::CircuitOpen);
    assert_eq!(probe.end(Sign::Well), Change::Closed);
    assert!(gates.enter(&endpoint).await.is_ok());
    assert_eq!(gates.open_circuits(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_a_rest_gets_it() {
    let (gates, endpoint) = (gates(), capped(9));
    let pass = gates.enter(&endpoint).await.unwrap();
    let asked = Sign::Overloaded(Some(Duration::from_secs(5)));
    assert_eq!(pass.end(asked), Change::Opened);
    assert_eq!(gates.enter(&endpoint).await.err().unwrap().wait, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_whose_own_limit_is_used_up_is_left_alone_and_does_not_count_as_failing() {
    let (gates, endpoint) = (gates(), capped(9));
    let pass = gates.enter(&endpoint).await.unwrap();
    assert_eq!(pass.end(Sign::Spent(Duration::from_secs(2))), Change::None);
    let refused = gates.enter(&endpoint).await.err().unwrap();
    assert_eq!(
        (refused.why, refused.wait),
        (Refusal::RateLimited, Duration::from_secs(2))
    );
    assert_eq!(gates.open_circuits(), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(gates.enter(&endpoint).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_is_shared_with_other_dispatchers() {
    let gates = gates();
    gates.set_dispatchers(2);
    let limit = RateLimit {
        per_second: 20,
        burst: 4,
    };
    let endpoint = endpoint(Overrides {
        rate_limit: Some(limit),
        ..Overrides::default()
    });
    let begun = Instant::now();
    for _ in 0..4 {
        gates.enter(&endpoint).await.unwrap().end(Sign::Well);
    }
    // Two at once, then one every 100 ms.
    assert_eq!(begun.elapsed().as_millis(), 200);
}

#[tokio::test(start_paused = true)]
async fn how_many_are_under_way_at_once_is_shared_with_other_dispatchers() {
    for (dispatchers, each) in [(1, 5), (2, 3), (5, 1), (9, 1)] {
        let (gates, endpoint) = (gates(), capped(5));
        gates.set_dispatchers(dispatchers);
        let mut passes = Vec::new();
        // As it answers, its window widens up to the cap.
        for _ in 0..20 {
            for pass in std::mem::take(&mut passes) {
                Pass::end(pass, Sign::Well);
            }
            while let Ok(pass) = gates.enter(&endpoint).await {
                passes.push(pass);
            }
        }
        assert_eq!(passes.len(), each, "of {dispatchers} dispatchers");
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_go_round() {
    let (gates, endpoint) = (gates(), capped(1));
    let _pass = gates.enter(&endpoint).await.unwrap();
    tokio::time::sleep(PATIENCE).await;
    let mut rounds = 0;
    for _ in 0..1_000 {
        rounds += u32::from(gates.enter(&endpoint).await.err().unwrap().may_go_round);
    }
    assert_eq!(rounds, 100);
}

#[tokio::test(start_paused = true)]
async fn one_endpoint_does_not_use_anothers_turns_and_idle_ones_are_forgotten() {
    let gates = gates();
    let (one, other) = (capped(1), capped(1));
    let pass = gates.enter(&one).await.unwrap();
    drop(gates.enter(&other).await.unwrap());
    tokio::time::sleep(Duration::from_secs(61)).await;
    gates.forget_idle();
    assert_eq!(gates.gates().len(), 1);
    drop(pass);
    tokio::time::sleep(Duration::from_secs(61)).await;
    gates.forget_idle();
    assert_eq!(gates.gates().len(), 0);
}
