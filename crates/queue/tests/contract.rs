//! What every queue promises, tried on both: RabbitMQ and SQLite; and what only one of them can show.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "contract/broker_only.rs"]
mod broker_only;
#[path = "contract/damage.rs"]
mod damage;
#[path = "contract/embedded_only.rs"]
mod embedded_only;
#[path = "contract/parked.rs"]
mod parked;
#[path = "contract/places.rs"]
mod places;
#[path = "contract/reaching.rs"]
mod reaching;
#[path = "contract/suite.rs"]
mod suite;

/// One test per promise and queue.
macro_rules! promises {
    ($($promise:ident,)*) => {
        mod rabbit {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    crate::suite::$promise(&crate::places::Broker::new().await).await;
                }
            )*
        }

        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    crate::suite::$promise(&crate::places::File::new()).await;
                }
            )*
        }
    };
}

promises! {
    what_is_acknowledged_never_comes_again,
    what_is_dropped_comes_again_marked,
    delay_queues_are_never_early_and_hardly_late,
    a_lane_keeps_its_shard_through_a_delay_queue,
    other_delays_have_no_delay_queue,
    prefetch_bounds_what_is_unsettled,
    records_keep_their_order,
    many_publishers_lose_and_double_nothing,
    parked_messages_stay_and_are_shown,
    parked_messages_go_back_where_they_came_from,
    parked_messages_are_discarded_one_or_all,
    many_parked_messages_go_back,
    depths_count_what_waits,
    closing_hands_back_what_is_unsettled,
    a_taker_that_leaves_hands_back_at_once,
}
