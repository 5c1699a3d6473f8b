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

fn capped(max: u32) -> Endpoint {
    endpoint(Overrides {
        concurrency: Some(max),
        ..Overrides::default()
    })
}

fn limiters() -> EndpointLimiters {
    EndpointLimiters::new(9, 50, 3)
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_waited_for_while_the_endpoint_moves() {
    let (limiters, endpoint) = (limiters(), capped(1));
    let permit = limiters.acquire(&endpoint).await.unwrap();
    let (next, _) = tokio::join!(limiters.acquire(&endpoint), async {
        tokio::time::sleep(MAX_WAIT / 2).await;
        permit.complete(Feedback::Healthy)
    });
    assert!(next.is_ok());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_patience() {
    let (limiters, endpoint) = (limiters(), capped(1));
    let permit = limiters.acquire(&endpoint).await.unwrap();
    let begun = Instant::now();
    let throttled = limiters.acquire(&endpoint).await.err().unwrap();
    assert_eq!((throttled.reason, begun.elapsed()), (Rejection::Busy, MAX_WAIT));
    // Now it is known not to move.
    let begun = Instant::now();
    assert!(limiters.acquire(&endpoint).await.is_err());
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop(permit);
    assert!(limiters.acquire(&endpoint).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_gets_a_turn_as_the_window_widens() {
    let (limiters, endpoint) = (Arc::new(limiters()), Arc::new(capped(9)));
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(limiters.acquire(&endpoint).await.unwrap());
    }
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let (limiters, endpoint) = (limiters.clone(), endpoint.clone());
            tokio::spawn(async move { limiters.acquire(&endpoint).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let begun = Instant::now();
    for permit in permits {
        permit.complete(Feedback::Healthy);
    }
    let mut held = Vec::new();
    for waiting in waiting {
        held.push(waiting.await.unwrap().ok().unwrap());
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_let_one_probe_through_at_a_time() {
    let (limiters, endpoint) = (limiters(), capped(9));
    for _ in 0..3 {
        let permit = limiters.acquire(&endpoint).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        permit.complete(Feedback::NoAnswer);
    }
    assert_eq!(limiters.open_circuits(), 1);
    let throttled = limiters.acquire(&endpoint).await.err().unwrap();
    assert_eq!(
        (throttled.reason, throttled.wait),
        (Rejection::CircuitOpen, Duration::from_secs(2))
    );

    tokio::time::sleep(Duration::from_millis(1_900)).await;
    let probe = limiters.acquire(&endpoint).await.unwrap();
    assert_eq!(
        limiters.acquire(&endpoint).await.err().unwrap().reason,
        Rejection::CircuitOpen
    );
    assert_eq!(probe.complete(Feedback::Healthy), CircuitChange::Closed);
    assert!(limiters.acquire(&endpoint).await.is_ok());
    assert_eq!(limiters.open_circuits(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_a_rest_gets_it() {
    let (limiters, endpoint) = (limiters(), capped(9));
    let permit = limiters.acquire(&endpoint).await.unwrap();
    let asked = Feedback::Overloaded(Some(Duration::from_secs(5)));
    assert_eq!(permit.complete(asked), CircuitChange::Opened);
    assert_eq!(
        limiters.acquire(&endpoint).await.err().unwrap().wait,
        Duration::from_secs(5)
    );
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_whose_own_limit_is_used_up_is_left_alone_and_does_not_count_as_failing() {
    let (limiters, endpoint) = (limiters(), capped(9));
    let permit = limiters.acquire(&endpoint).await.unwrap();
    assert_eq!(
        permit.complete(Feedback::RateLimitReached(Duration::from_secs(2))),
        CircuitChange::None
    );
    let throttled = limiters.acquire(&endpoint).await.err().unwrap();
    assert_eq!(
        (throttled.reason, throttled.wait),
        (Rejection::RateLimited, Duration::from_secs(2))
    );
    assert_eq!(limiters.open_circuits(), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(limiters.acquire(&endpoint).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_is_shared_with_other_dispatchers() {
    let limiters = limiters();
    limiters.set_dispatchers(2);
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
        limiters.acquire(&endpoint).await.unwrap().complete(Feedback::Healthy);
    }
    // Two at once, then one every 100 ms.
    assert_eq!(begun.elapsed().as_millis(), 200);
}

#[tokio::test(start_paused = true)]
async fn how_many_are_under_way_at_once_is_shared_with_other_dispatchers() {
    for (dispatchers, each) in [(1, 5), (2, 3), (5, 1), (9, 1)] {
        let (limiters, endpoint) = (limiters(), capped(5));
        limiters.set_dispatchers(dispatchers);
        let mut permits = Vec::new();
        // As it answers, its limit widens up to the max.
        for _ in 0..20 {
            for permit in std::mem::take(&mut permits) {
                Permit::complete(permit, Feedback::Healthy);
            }
            while let Ok(permit) = limiters.acquire(&endpoint).await {
                permits.push(permit);
            }
        }
        assert_eq!(permits.len(), each, "of {dispatchers} dispatchers");
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_go_round() {
    let (limiters, endpoint) = (limiters(), capped(1));
    let _pass = limiters.acquire(&endpoint).await.unwrap();
    tokio::time::sleep(MAX_WAIT).await;
    let mut delays = 0;
    for _ in 0..1_000 {
        delays += u32::from(limiters.acquire(&endpoint).await.err().unwrap().may_delay);
    }
    assert_eq!(delays, 100);
}

#[tokio::test(start_paused = true)]
async fn one_endpoint_does_not_use_anothers_turns_and_idle_ones_are_forgotten() {
    let limiters = limiters();
    let (one, other) = (capped(1), capped(1));
    let permit = limiters.acquire(&one).await.unwrap();
    drop(limiters.acquire(&other).await.unwrap());
    tokio::time::sleep(Duration::from_secs(61)).await;
    limiters.forget_idle();
    assert_eq!(limiters.limiters().len(), 1);
    drop(permit);
    tokio::time::sleep(Duration::from_secs(61)).await;
    limiters.forget_idle();
    assert_eq!(limiters.limiters().len(), 0);
}
