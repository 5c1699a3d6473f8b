//! The protocol has all its properties, within bounds that are small but leave room for what each test is about.

use stateright::{Checker, Model};
use tidings_model::actions::Budget;
use tidings_model::{Bounds, Protocol, paths};

const NOTHING: Budget = Budget {
    faults: 0,
    early_sweeps: 0,
    deferrals: 0,
    changes: 0,
    retries: 0,
};

#[test]
fn without_faults_nothing_is_sent_twice() {
    let budget = Budget {
        deferrals: 2,
        changes: 2,
        ..NOTHING
    };
    check(2, 2, budget);
}

#[test]
fn a_backlog_with_a_deferral() {
    let budget = Budget {
        early_sweeps: 2,
        deferrals: 1,
        ..NOTHING
    };
    check(1, 2, budget);
    check(
        2,
        2,
        Budget {
            early_sweeps: 1,
            ..budget
        },
    );
}

#[test]
fn two_faults() {
    check(2, 2, Budget { faults: 2, ..NOTHING });
}

#[test]
fn a_fault_in_a_backlog() {
    let budget = Budget {
        faults: 1,
        early_sweeps: 1,
        ..NOTHING
    };
    check(2, 2, budget);
}

#[test]
fn a_fault_while_the_endpoint_changes() {
    let budget = Budget {
        faults: 1,
        deferrals: 1,
        changes: 1,
        retries: 1,
        ..NOTHING
    };
    check(1, 2, budget);
    check(2, 2, Budget { deferrals: 0, ..budget });
}

#[test]
fn a_fault_and_a_publish_that_is_repeated() {
    let budget = Budget {
        faults: 1,
        deferrals: 1,
        retries: 1,
        ..NOTHING
    };
    check(2, 2, budget);
}

#[test]
#[ignore = "minutes"]
fn three_faults() {
    check(1, 2, Budget { faults: 3, ..NOTHING });
    check(2, 1, Budget { faults: 3, ..NOTHING });
}

#[test]
#[ignore = "minutes"]
fn everything_at_once() {
    let all = Budget {
        faults: 1,
        early_sweeps: 1,
        deferrals: 1,
        changes: 1,
        retries: 1,
    };
    check(1, 2, all);
    check(2, 2, Budget { early_sweeps: 0, ..all });
    check(
        2,
        1,
        Budget {
            faults: 2,
            deferrals: 0,
            ..all
        },
    );
}

/// Checks every property in every state, and that everything comes to an end.
fn check(dispatchers: usize, attempts: u32, budget: Budget) {
    let protocol = Protocol::new(Bounds {
        dispatchers,
        attempts,
        budget,
    });
    let checker = protocol.clone().checker().spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{dispatchers} dispatchers, {attempts} attempts, {budget:?}: {states} states, depth {depth}");
    checker.assert_properties();
    assert_eq!(paths::cycle(&protocol), None);
}
