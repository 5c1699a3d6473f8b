//! Termination: every sequence of free actions ends.
//!
//! The checker's own `eventually` misses cycles and paths that join. A graph without cycles needs no notion of
//! fairness: each of its paths ends, and its last state is checked by an ordinary property.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use stateright::Model;

use crate::protocol::Protocol;
use crate::state::State;

/// Walks through everything that can be reached and returns a state that can come back to itself, if there is one.
#[must_use]
pub fn cycle(protocol: &Protocol) -> Option<State> {
    let mut left_behind: HashMap<u64, bool> = HashMap::new();
    let mut path: Vec<(u64, Vec<State>)> = vec![(0, protocol.init_states())];
    while let Some((key, followers)) = path.last_mut() {
        let Some(state) = followers.pop() else {
            left_behind.insert(*key, true);
            path.pop();
            continue;
        };
        let key = key_of(&state);
        match left_behind.get(&key) {
            Some(false) => return Some(state),
            Some(true) => {}
            None => {
                left_behind.insert(key, false);
                path.push((key, protocol.next_states(&state)));
            }
        }
    }
    None
}

fn key_of(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
